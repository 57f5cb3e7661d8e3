import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FileResult } from "./run-file.ts";
import { ROOT, RUNTIMES } from "./runtimes.ts";

/**
 * Programs that must not be taken for passing test files, and the first thing to be said of each. The runner is run on
 * all of them once, on the runtime this file runs on.
 */
const REFUSED: Readonly<Record<string, RegExp>> = {
  "fails": /exit code 1/,
  "before-throws": /0 of 1 tests passed/,
  "after-throws": /exit code/,
  "after-each-throws": /0 of 1 tests passed/,
  "throws-non-error": /0 of 1 tests passed/,
  "forgets-run": /no summary/,
  "forgets-second-run": /'second.run\(\)' is missing/,
  "adds-after-run": /a test is added after 'it.run\(\)'/,
  "no-tests": /no tests/,
  "hangs": /not finished after 3 s, killed/,
  "hangs-after-passing": /not finished after 3 s, killed/,
  "never-settles": /exit code|no summary/,
  "exits-in-the-middle": /exit code 1|no summary/,
  "only": /1 tests left out/,
  "skips-without-reason": /1 tests left out/,
  "rejects-unseen": /exit code/,
  "forges-a-summary": /exit code 1|more than one summary/,
  "warns": /too many of them/,
  "leaves-a-file": /left 'forgotten-.*' in its temp/,
  "leaves-a-process": /left process \d+ behind: .*sleep 60/,
  "holds-the-pipe": /left process \d+ behind: .*sleep 60/,
};
const ACCEPTED = ["passes", "skips-with-reason"];
const FIXTURES = join(ROOT, "test/tools/fixtures");

const runtime = RUNTIMES.find((it) => it.name === ("Deno" in globalThis ? "deno" : "node"));
assert.ok(runtime);
const run = (...args: string[]) => {
  const [program, ...rest] = runtime.command(join(ROOT, "test/run.ts"));
  const all = [...rest, "--runtime", runtime.name, ...args];
  const { stdout, status, stderr } = spawnSync(program, all, {
    cwd: ROOT,
    encoding: "utf8",
    timeout: 90_000,
  });
  return { lines: stdout.trimEnd().split("\n"), status, stderr };
};
const fixtures = (names: readonly string[]) => names.map((name) => join(FIXTURES, `${name}.fixture.ts`));

const whole = run(
  "--json",
  "--timeout",
  "3",
  "--jobs",
  "3",
  ...fixtures([...Object.keys(REFUSED), ...ACCEPTED]),
);
const results = new Map(
  whole.lines.filter((it) => it.startsWith("{")).map((line) => {
    const result = JSON.parse(line) as FileResult;
    return [result.file.replace(/^.*\/(.*)\.fixture\.ts$/, "$1"), result];
  }),
);

const runner = suite("run.ts");
for (const [name, problem] of Object.entries(REFUSED)) {
  runner(`a file that ${name.replaceAll("-", " ")} is not accepted`, () => {
    const result = results.get(name);
    assert.ok(result, `no result: ${whole.stderr}`);
    assert.match(result.problems.join("\n"), problem);
    assert.ok(result.failed >= 1);
  });
}

for (const name of ACCEPTED) {
  runner(`a file that ${name.replaceAll("-", " ")} is accepted`, () => {
    const { problems = ["no result"], passed, failed } = results.get(name) ??
      {};
    assert.equal({ problems: [...problems], passed, failed }, { problems: [], passed: 1, failed: 0 });
  });
}

runner("every fixture is tried", () => {
  const tried = [...Object.keys(REFUSED), ...ACCEPTED].sort();
  assert.equal(readdirSync(FIXTURES).map((it) => it.replace(".fixture.ts", "")).sort(), tried);
});

runner(
  "the last line of a bad run counts at least one failure per bad file, and the exit code is 1",
  () => {
    const [, failed] = /^\d+ passed, (\d+) failed, 1 skipped$/.exec(whole.lines.at(-1) ?? "") ??
      [];
    assert.ok(Number(failed) >= Object.keys(REFUSED).length, whole.lines.at(-1));
    assert.is(whole.status, 1);
  },
);

runner(
  "a good run ends with its counts, the reasons of skips before them, and exit code 0",
  () => {
    const { lines, status } = run(...fixtures(ACCEPTED));
    assert.equal(lines.slice(-4), ["Skipped:", "  1 × needs the moon", "", "2 passed, 0 failed, 1 skipped"]);
    assert.is(status, 0);
  },
);

runner("a failure is shown with all that the file wrote", () => {
  assert.match(run(...fixtures(["fails"])).lines.join("\n"), /FAIL[^]*exit code 1[^]*as it should/);
});

runner("a run without any file fails", () => {
  const { lines, status } = run("--filter", "there is no such file");
  assert.is(lines.at(-1), "0 passed, 1 failed");
  assert.is(status, 1);
});

runner("an unknown option or a bad number is refused", () => {
  assert.is.not(run("--fitler", "x").status, 0);
  assert.is.not(run("--jobs", "0").status, 0);
});
runner.run();
