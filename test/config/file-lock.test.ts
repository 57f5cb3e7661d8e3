import { spawn, spawnSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withFileLock } from "../../sidecar/config/file-lock.ts";
import { limited, rejects, skipUnless, withTempDir } from "../harness.ts";
import { RUNTIMES } from "../tools/runtimes.ts";

const test = suite("withFileLock()");
const noProc = !existsSync("/proc/self/stat");

/** The mark of a lock of ours, taken while we hold one. */
async function marks(folder: string): Promise<{ start: string; namespace: string; boot: string }> {
  const file = join(folder, "probe");
  const mark = await withFileLock(file, () => readlinkSync(`${file}.lock`));
  const [pid, start, namespace, boot] = mark.split(".");
  assert.is(pid, String(process.pid));
  return { start: start!, namespace: namespace!, boot: boot! };
}

const startOf = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
};

test("it is there during, and gone after, whatever happens", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "f");
    assert.is(await withFileLock(file, () => lstatSync(`${file}.lock`).isSymbolicLink()), true);
    assert.not.ok(existsSync(`${file}.lock`));
    await rejects(
      withFileLock(file, () => {
        throw Object.assign(new Error("mine"), { code: "MINE" });
      }),
      { code: "MINE" },
    );
    assert.equal(lstatSync(`${file}.lock`, { throwIfNoEntry: false }), undefined);
  }));

test("a living process is waited for, and named when it takes too long", () =>
  withTempDir(async (folder) => {
    if (skipUnless(!noProc, "needs /proc")) return;
    const file = join(folder, "f");
    const { namespace, boot } = await marks(folder);
    symlinkSync(`${process.ppid}.${startOf(process.ppid)}.${namespace}.${boot}`, `${file}.lock`);
    const from = performance.now();
    const message = new RegExp(`process ${process.ppid} holds the lock '.*f\\.lock'`);
    await rejects(withFileLock(file, () => assert.unreachable(), 200), {
      code: "ERR_CONFIG_INVALID",
      message,
    });
    assert.ok(performance.now() - from >= 200);
  }));

const STALE: readonly [
  name: string,
  mark: (own: { start: string; namespace: string; boot: string }) => string,
][] = [
  ["whose process is gone", ({ start, namespace, boot }) => `4194304.${start}.${namespace}.${boot}`],
  ["whose number is another process's now", ({ namespace, boot }) => `${process.pid}.1.${namespace}.${boot}`],
];
for (const [name, mark] of STALE) {
  test(`a lock ${name} is taken over`, () =>
    withTempDir(async (folder) => {
      if (skipUnless(!noProc, "needs /proc")) return;
      const file = join(folder, "f");
      const dead = mark(await marks(folder));
      symlinkSync(dead, `${file}.lock`);
      // The lock to remove locks may have been left behind as well.
      symlinkSync(dead, `${file}.lock.stale`);
      assert.is(await withFileLock(file, () => "done", 1000), "done");
      assert.equal(
        [`${file}.lock`, `${file}.lock.stale`].map((path) => lstatSync(path, { throwIfNoEntry: false })),
        [undefined, undefined],
      );
    }));
}

test("a zombie holds nothing", () =>
  withTempDir(async (folder) => {
    if (skipUnless(!noProc && spawnSync("python3", ["-V"]).status === 0, "needs /proc and python3")) return;
    const file = join(folder, "f");
    const { namespace, boot } = await marks(folder);
    const child = spawn("python3", [
      "-c",
      `import os, sys
pid = os.fork()
if pid == 0: os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True); sys.stdin.read()`,
    ], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      const zombie = Number(await new Promise((resolve) => child.stdout.once("data", resolve)));
      symlinkSync(`${zombie}.${startOf(zombie)}.${namespace}.${boot}`, `${file}.lock`);
      assert.is(await withFileLock(file, () => "done", 1000), "done");
    } finally {
      child.stdin.end();
      await new Promise((resolve) => child.once("exit", resolve));
    }
  }));

const KEPT: readonly [
  name: string,
  mark: (own: { start: string; namespace: string; boot: string }) => string,
][] = [
  ["of another container", ({ start, boot }) => `4194304.${start}.1.${boot}`],
  ["of another machine", ({ start, namespace }) => `4194304.${start}.${namespace}.another-boot`],
  ["that says nothing we know", () => "me@laptop"],
];
for (const [name, mark] of KEPT) {
  test(`a lock ${name} is not touched`, () =>
    withTempDir(async (folder) => {
      if (skipUnless(!noProc, "needs /proc")) return;
      const file = join(folder, "f");
      const foreign = mark(await marks(folder));
      symlinkSync(foreign, `${file}.lock`);
      await rejects(withFileLock(file, () => assert.unreachable(), 100), { code: "ERR_CONFIG_INVALID" });
      assert.is(readlinkSync(`${file}.lock`), foreign);
    }));
}

test("a file in the lock's place is not taken for one, and not removed", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "f");
    writeFileSync(`${file}.lock`, "x");
    await rejects(withFileLock(file, () => assert.unreachable(), 100), { code: "ERR_CONFIG_INVALID" });
    assert.is(readFileSync(`${file}.lock`, "utf8"), "x");
  }));

test(
  "of many that find a dead holder, over and over, one at a time gets in",
  limited(100_000, () =>
    withTempDir(async (folder) => {
      if (skipUnless(!noProc, "needs /proc")) return;
      const fixture = fileURLToPath(new URL("./fixtures/dies-holding-locks.ts", import.meta.url));
      const { command } = RUNTIMES.find(({ name }) => name === ("Deno" in globalThis ? "deno" : "node"))!;
      const [program, ...args] = [...command(fixture), join(folder, "f"), "40"];
      const codes = await Promise.all([1, 2, 3, 4].map(() => {
        const child = spawn(program!, args, { stdio: "inherit" });
        return new Promise((resolve) => child.once("exit", resolve));
      }));
      assert.equal(codes, [0, 0, 0, 0]);
    })),
);

test.run();
