import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withTempDir } from "../harness.ts";
import { ROOT } from "./runtimes.ts";

/** Runs .ci/run in a folder of its own, with an `npm` that does what the table says for each step. */
function runCi(steps: Readonly<Record<string, string>>) {
  return withTempDir((folder) => {
    mkdirSync(join(folder, ".ci"));
    mkdirSync(join(folder, "bin"));
    copyFileSync(join(ROOT, ".ci/run"), join(folder, ".ci/run"));
    const cases = Object.entries(steps).map(([args, script]) => `"${args}") ${script} ;;\n`).join("");
    writeFileSync(join(folder, "bin/npm"), `#!/bin/sh\ncase "$*" in\n${cases}esac\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}/bin:${process.env["PATH"] ?? ""}` };
    const { stdout, status } = spawnSync("bash", [join(folder, ".ci/run")], { env, encoding: "utf8" });
    return { last: stdout.split("\n").slice(-2), status, stdout };
  });
}

const GOOD = {
  "ci": "true",
  "run --silent ok": "true",
  "run --silent test": "echo 10 passed, 0 failed, 2 skipped",
  "ci --ignore-scripts --prefix test/external/packages": "true",
  "run --silent test:external": "echo 5 passed, 0 failed",
};
const CASES: readonly [title: string, change: Partial<typeof GOOD>, last: string, status: number][] = [
  ["all good: counts and checks are added up", {}, "18 passed, 0 failed", 0],
  ["failed checks", { "run --silent ok": "exit 1" }, "17 passed, 1 failed", 1],
  [
    "failed tests",
    { "run --silent test": "echo 8 passed, 2 failed; exit 1" },
    "16 passed, 2 failed",
    1,
  ],
  ["tests that never say how they ended", { "run --silent test": "echo fine" }, "8 passed, 1 failed", 1],
  [
    "tests that speak after their count",
    { "run --silent test": "echo 1 passed, 0 failed; echo x" },
    "8 passed, 1 failed",
    1,
  ],
  [
    "a count that hides a failure",
    { "run --silent test": "echo 3 passed, 0 failed; exit 7" },
    "11 passed, 1 failed",
    1,
  ],
  ["an install that fails ends the run", { "ci": "exit 1" }, "0 passed, 1 failed", 1],
  [
    "an external install that fails",
    { "ci --ignore-scripts --prefix test/external/packages": "exit 1" },
    "12 passed, 1 failed",
    1,
  ],
];

const ci = suite(".ci/run");
for (const [title, change, last, status] of CASES) {
  ci(title, async () => {
    const outcome = await runCi({ ...GOOD, ...change });
    assert.equal(outcome.last, [last, ""], outcome.stdout);
    assert.is(outcome.status, status);
  });
}
ci.run();
