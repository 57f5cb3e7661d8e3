/** What real processes say of themselves, and what is left when nothing can be read. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attestProcess } from "../../../sidecar/attest/attest-process.ts";
import { gatherOwnWord } from "../../../sidecar/attest/facts/own-word.ts";
import { readLabel, readNamespaces } from "../../../sidecar/attest/facts/surroundings.ts";
import { known, type ProcessEvidence, type WantedFact } from "../../../sidecar/model/evidence.ts";
import { createDigests } from "../../../sidecar/platform/digests.ts";
import { openPlatform } from "../../../sidecar/platform/open-platform.ts";
import type { ProcessHandle } from "../../../sidecar/platform/platform.ts";
import { limited, skipUnless, waitUntil, withTempDir } from "../../harness.ts";

/** Evidence of a program that was started so and waits. */
async function evidenceOf(
  command: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string } = {},
  before: () => void = () => {},
): Promise<ProcessEvidence> {
  const [program, ...args] = command;
  const child = spawn(program!, args, {
    stdio: ["pipe", "pipe", "inherit"],
    cwd: options.cwd,
    env: { PATH: process.env["PATH"], ...options.env },
  });
  const digests = createDigests({ folder: () => undefined });
  try {
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    // A launcher on the way (pyenv) becomes what was asked for.
    await waitUntil(() => readFileSync(`/proc/${child.pid}/maps`, "latin1").includes("libc"), 5000);
    before();
    return (await attestProcess(openPlatform(), child.pid!, digests)).process;
  } finally {
    digests.close();
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const WAIT = "process.stdin.resume(); setInterval(() => {}, 1000);\n";
const it = suite("what a process says of itself");

it(
  "a script is found where the process stands, through links, and its name does not matter",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      mkdirSync(join(folder, "real"));
      writeFileSync(join(folder, "real/app.js"), WAIT);
      symlinkSync(join(folder, "real/app.js"), join(folder, "link.js"));
      const { script, executable } = await evidenceOf(["node", "link.js"], { cwd: folder });
      assert.equal(executable.runtime, { value: "node", grade: "lineage" });
      assert.equal(script, {
        path: { value: realpathSync(join(folder, "real/app.js")), grade: "heuristic" },
        sha256: { value: sha256(WAIT), grade: "heuristic" },
      });
    })),
);

it(
  "code from the command line, and code that comes along, is no script",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      writeFileSync(join(folder, "app.cjs"), WAIT);
      const inline = await evidenceOf(["node", "-e", WAIT]);
      assert.equal(inline.script.sha256, { absent: "script-inline" });
      const required = await evidenceOf(["node", "-r", "./app.cjs", "./app.cjs"], { cwd: folder });
      assert.equal(required.script.path, { absent: "script-not-alone" });
    })),
);

it(
  "variables count for whom they concern",
  limited(30_000, async () => {
    const env = { NODE_OPTIONS: "--no-warnings", PYTHONPATH: "/x", LD_LIBRARY_PATH: "", HOME: "/" };
    const native = await evidenceOf(["sleep", "60"], { env });
    assert.equal(native.loaders, { value: ["LD_LIBRARY_PATH"], grade: "heuristic" });
    const node = await evidenceOf(["node", "-e", WAIT], { env });
    assert.equal(node.loaders, { value: ["LD_LIBRARY_PATH", "NODE_OPTIONS"], grade: "heuristic" });
    const clean = await evidenceOf(["sleep", "60"]);
    assert.equal(clean.loaders, { value: [], grade: "heuristic" });
  }),
);

it(
  "a preloaded library shows among the mappings, also without its variable",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      mkdirSync(join(folder, "lib"));
      const source = join(folder, "pre.c");
      const library = join(folder, "lib/pre.so");
      writeFileSync(
        source,
        '#include <stdlib.h>\n__attribute__((constructor)) static void clean(void) { unsetenv("LD_PRELOAD"); }\n',
      );
      const built = spawnSync("gcc", ["-shared", "-fPIC", "-o", library, source]);
      if (skipUnless(built.status === 0, "needs gcc")) return;
      const { mappings } = await evidenceOf(["sleep", "60"], { env: { LD_PRELOAD: library } });
      assert.equal(mappings, { value: [library], grade: "heuristic" });
      const clean = await evidenceOf(["sleep", "60"]);
      assert.equal(clean.mappings, { value: [], grade: "heuristic" });
    })),
);

it(
  "an executable that was moved or replaced is no foreign mapping, and has no path",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "agent");
      const sleep = realpathSync(
        spawnSync("sh", ["-c", "command -v sleep"], { encoding: "utf8" }).stdout.trim(),
      );
      copyFileSync(sleep, file);
      const { executable, mappings } = await evidenceOf([file, "60"], {}, () => {
        copyFileSync(sleep, `${file}.new`);
        renameSync(`${file}.new`, file);
      });
      assert.equal(executable.path, { absent: "exe-deleted" });
      assert.is(
        (executable.sha256 as { value: string }).value,
        createHash("sha256").update(readFileSync(sleep)).digest("hex"),
      );
      assert.equal(executable.immutable, { absent: "exe-writable" });
      assert.equal(mappings, { value: [], grade: "heuristic" });
    })),
);

it(
  "a native program that is called like an interpreter is taken for one",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "python3.12");
      copyFileSync(realpathSync("/bin/sleep"), file);
      const { executable } = await evidenceOf([file, "60"]);
      assert.equal(executable.runtime, { value: "python", grade: "lineage" });
    })),
);

const failing = suite("when nothing can be read");
const WANTS = new Set<WantedFact>(["script", "argv", "loaders", "mappings"]);

function handleThatFails(code: string): ProcessHandle {
  const fail = (): never => {
    throw Object.assign(new Error(code), { code });
  };
  return { pid: 1, inode: "1", isAlive: () => true, read: fail, procPath: fail, close: () => {} };
}

for (const code of Object.keys(constants.errno)) {
  failing(`${code} leaves every fact absent`, async () => {
    const digests = createDigests({ folder: () => undefined });
    const handle = handleThatFails(code);
    const runtime = known("node" as const, "measured");
    const { argv, loaders, mappings, script } = await gatherOwnWord(handle, {
      runtime,
      digests,
      wants: WANTS,
    });
    const { pid, mnt } = readNamespaces(handle);
    for (const fact of [argv, loaders, mappings, script.path, script.sha256, pid, mnt, readLabel(handle)]) {
      assert.ok("absent" in fact && fact.absent.endsWith(`:${code}`), JSON.stringify(fact));
    }
    digests.close();
  });
}

it.run();
failing.run();
