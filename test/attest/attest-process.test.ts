import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attestProcess } from "../../sidecar/attest/attest-process.ts";
import { measureProcess } from "../../sidecar/attest/measure.ts";
import type { ProcessEvidence } from "../../sidecar/model/evidence.ts";
import { createDigests } from "../../sidecar/platform/digests.ts";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import {
  attestUnder,
  canRun,
  fixture,
  sha256sum,
  skipped,
  until,
  withFolder,
  withProgram,
} from "./fixtures/programs.ts";

const test = suite("attestProcess()");
const platform = openPlatform();
const SLEEP = realpathSync(spawnSync("sh", ["-c", "command -v sleep"]).stdout.toString().trim());
const python = (body: string) => ["python3", "-c", `import ctypes, os, sys, time\n${body}`];

async function attest(pid: number): Promise<ProcessEvidence> {
  const digests = createDigests({ folder: () => undefined });
  try {
    return (await attestProcess(platform, pid, digests)).process;
  } finally {
    digests.close();
  }
}

/** The text that a fact has, or why it is absent. */
function text(fact: { value: unknown } | { absent: string }): string {
  return "value" in fact ? String(fact.value) : `absent: ${fact.absent}`;
}

/** What the process runs by now: between fork and exec it is still a copy of its parent. */
const runs = (pid: number, path: string) =>
  until(`${pid} runs ${path}`, () => readlinkSync(`/proc/${pid}/exe`).startsWith(path));

test("a renamed copy is known by its bytes, not by its name", () =>
  withFolder(async (folder) => {
    const path = join(folder, "claude");
    copyFileSync(SLEEP, path);
    await withProgram([path, "60"], async ({ pid }) => {
      await runs(pid, path);
      const naive = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      assert.is(naive, "claude", "a check by name is fooled");
      const { executable } = await attest(pid);
      assert.is(text(executable.sha256), sha256sum(SLEEP));
      assert.is(text(executable.path), realpathSync(path));
    });
  }));

test("a replaced file does not lend its digest to the process that runs the old one", () =>
  withFolder(async (folder) => {
    const path = join(folder, "agent");
    copyFileSync(SLEEP, path);
    const old = sha256sum(path);
    await withProgram([path, "60"], async ({ pid }) => {
      await runs(pid, path);
      copyFileSync("/bin/sh", join(folder, "trusted"));
      renameSync(join(folder, "trusted"), path);
      const naive = readlinkSync(`/proc/${pid}/exe`).replace(" (deleted)", "");
      assert.is(sha256sum(naive), sha256sum("/bin/sh"), "a digest by path is fooled");
      const { executable } = await attest(pid);
      assert.is(text(executable.sha256), old);
      assert.is(text(executable.path), "absent: exe-deleted");
    });
  }));

test("a file that is really called (deleted) keeps its path, one that was deleted has none", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x (deleted)");
    copyFileSync(SLEEP, path);
    await withProgram([path, "60"], async ({ pid }) => {
      await runs(pid, path);
      assert.is(text((await attest(pid)).executable.path), realpathSync(path));
      rmSync(path);
      assert.is(text((await attest(pid)).executable.path), "absent: exe-deleted");
    });
  }));

test("a memfd has a digest and no path", async () => {
  const program = python(
    `fd = os.memfd_create("claude"); os.write(fd, open("${SLEEP}", "rb").read()); os.execv("/proc/self/fd/%d" % fd, ["claude", "60"])`,
  );
  await withProgram(program, async ({ pid }) => {
    await runs(pid, "/memfd:");
    assert.ok(readlinkSync(`/proc/${pid}/exe`).includes("claude"), "a check by name is fooled");
    const { executable } = await attest(pid);
    assert.is(text(executable.path), "absent: exe-deleted");
    assert.is(text(executable.sha256), sha256sum(SLEEP));
  });
});

test("a name with parentheses does not invent a parent", async () => {
  const program = ["sh", "-c", 'printf "a) S 1 1 (b" > /proc/$$/comm; read line'];
  await withProgram(program, async ({ pid }) => {
    await until("the name is set", () => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("a)"));
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const naive = Number(stat.slice(stat.indexOf(")") + 2).split(" ")[1]);
    assert.is(naive, 1, "a parser from the first parenthesis is fooled");
    const digests = createDigests({ folder: () => undefined });
    const { lineage } = await attestProcess(platform, pid, digests);
    digests.close();
    assert.is(lineage.ancestors[0]?.pid, process.pid);
  });
});

test("a process in a user namespace of its own is nothing but its account", async () => {
  if (!canRun(["unshare", "-U", "true"], "foreign user namespace")) return;
  await withProgram(["unshare", "-U", SLEEP, "60"], async ({ pid }) => {
    await runs(pid, SLEEP);
    assert.is(sha256sum(`/proc/${pid}/exe`), sha256sum(SLEEP), "a digest alone would be believed");
    const { executable, uid } = await attest(pid);
    assert.is(text(executable.sha256), "absent: user-namespace-other");
    assert.is(text(executable.path), "absent: user-namespace-other");
    assert.is(text(uid), String(process.getuid!()));
  });
});

test("another mount namespace gets a digest and no path", async () => {
  if (!canRun(["unshare", "-m", "true"], "foreign mount namespace")) return;
  await withProgram(["unshare", "-m", SLEEP, "60"], async ({ pid }) => {
    await runs(pid, SLEEP);
    const { executable } = await attest(pid);
    assert.is(text(executable.path), "absent: mount-namespace-other");
    assert.is(text(executable.sha256), sha256sum(SLEEP));
  });
});

test("a traced process is not measured", () =>
  withProgram([SLEEP, "60"], async ({ pid }) => {
    await runs(pid, SLEEP);
    const tracer = python(
      `libc = ctypes.CDLL(None, use_errno=True)\nif libc.ptrace(0x4206, ${pid}, 0, 0) != 0: sys.exit(1)\nprint("ok", flush=True); time.sleep(60)`,
    );
    await withProgram(tracer, async (by) => {
      const answer = await new Promise<string>((resolve) => {
        by.stdout!.once("data", (data) => resolve(String(data))).once("end", () => resolve("refused"));
      });
      if (answer === "refused") return skipped("traced: ptrace is not permitted here");
      assert.is(text((await attest(pid)).executable.sha256), `absent: traced-by:${by.pid}`);
    });
  }));

test("the process of another user is nothing but its account", () => {
  if (process.getuid!() !== 0 || !canRun(["setpriv", "--version"], "other user")) {
    return skipped("other user: needs root and setpriv");
  }
  const as = (uid: number) => ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  const reader = [...as(54322), "test", "-r", fileURLToPath(import.meta.url)];
  if (!canRun(reader, "another user that can read this checkout")) return;
  return withFolder(async (folder) => {
    await withProgram([...as(54321), SLEEP, "60"], async ({ pid }) => {
      await runs(pid, SLEEP);
      const env = {
        PATH: process.env["PATH"],
        HOME: folder,
        TMPDIR: folder,
        DENO_DIR: folder,
        TSX_DISABLE_CACHE: "1",
      };
      spawnSync("chown", ["54322", folder]);
      for (const options of [[], ["--harden"]]) {
        const { report } = attestUnder(as(54322), fixture("attest-pid.ts", String(pid), ...options), { env });
        assert.equal(report.process.uid, { value: 54321, grade: "kernel" });
        assert.match(text(report.process.executable.sha256), /^absent: ns-unreadable:E(ACCES|PERM)$/);
        assert.equal(report.selectors.filter((selector: string) => selector.startsWith("unix:sha256")), []);
      }
    });
  });
});

test("only a file that is root's all the way up counts as immutable", () =>
  withFolder(async (folder) => {
    const path = join(folder, basename(SLEEP));
    copyFileSync(SLEEP, path);
    await withProgram([path, "60"], async (copy) => {
      await runs(copy.pid, path);
      assert.is(immutable(copy.pid), false, "below a folder that everybody may write to");
    });
    await withProgram([SLEEP, "60"], async (packaged) => {
      await runs(packaged.pid, SLEEP);
      assert.is(immutable(packaged.pid), true);
    });
  }));

function immutable(pid: number): boolean {
  const measured = measureProcess(platform.openProcess(pid)!, { grade: "lineage", accountGrade: "kernel" });
  const answer = measured.isImmutable();
  measured.close();
  return answer;
}

test("an exec in a measured process is seen", () =>
  withProgram(["sh", "-c", `echo; read line; exec ${SLEEP} 60`], async (child) => {
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    const measured = measureProcess(platform.openProcess(child.pid)!, {
      grade: "lineage",
      accountGrade: "kernel",
    });
    assert.is(measured.stillSame(), true);
    child.stdin!.write("\n");
    await runs(child.pid, SLEEP);
    assert.is(measured.handle.isAlive(), true, "a check of the pid alone is fooled");
    assert.is(measured.stillSame(), false);
    const digests = createDigests({ folder: () => undefined });
    assert.is(text((await measured.complete(digests)).executable.sha256), "absent: exe-changed");
    digests.close();
    measured.close();
  }));

test("a process that ended is gone, also while it is a zombie", () =>
  withProgram(
    [...python("if os.fork() == 0: os._exit(0)\nprint(flush=True); time.sleep(60)")],
    async (parent) => {
      await new Promise((resolve) => parent.stdout!.once("data", resolve));
      const children = () => readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, "utf8").trim();
      const zombie = Number(children());
      await until("it is a zombie", () => / Z /.test(readFileSync(`/proc/${zombie}/stat`, "utf8")));
      assert.is(platform.openProcess(zombie), undefined);
      try {
        await attest(zombie);
        assert.unreachable();
      } catch (error) {
        assert.is((error as { code: string }).code, "ERR_PEER_GONE");
      }
    },
  ));

test("a handle does not show the next process of that number", async () => {
  let handle: ReturnType<typeof platform.openProcess>;
  await withProgram([SLEEP, "60"], async ({ pid }) => {
    await runs(pid, SLEEP);
    handle = platform.openProcess(pid);
    assert.is(handle?.isAlive(), true);
  });
  assert.is(handle!.isAlive(), false);
  assert.throws(() => handle!.read("stat"), (error: { code: string }) => error.code === "ESRCH");
  handle!.close();
  assert.is(handle!.isAlive(), false);
  assert.throws(() => handle!.read("stat"), /closed/);
});

test.run();
