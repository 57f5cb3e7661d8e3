import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AppendFile } from "../../sidecar/audit/file/append-file.ts";
import { openAuditLog } from "../../sidecar/audit/open-audit-log.ts";
import { verifyAuditFile } from "../../sidecar/audit/reading/verify.ts";
import { limited, skipUnless, throws, waitUntil, withTempDir } from "../harness.ts";
import { RUNTIMES } from "../tools/runtimes.ts";
import { decision, logOptions, openLog, writeDecisions } from "./support.ts";

const test = suite("audit log of real processes");
const writer = fileURLToPath(new URL("./fixtures/writer.ts", import.meta.url));
const runtime = RUNTIMES["Deno" in globalThis ? 1 : 0]!;

function startWriter(file: string, count: number): ChildProcess {
  const [program, ...args] = runtime.command(writer);
  return spawn(program, [...args, file, String(count)], { stdio: ["ignore", "pipe", "inherit"] });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

test(
  "two processes appending at once disturb each other in nothing",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "a.jsonl");
      const writers = [startWriter(file, 1500), startWriter(file, 1500)];
      const codes = await Promise.all(writers.map(async (child) => (await once(child, "exit"))[0] as number));
      assert.equal(codes, [0, 0]);
      const report = verifyAuditFile(file);
      assert.equal([report.findings, report.notes], [[], []]);
      assert.equal(report.chains.map(({ end, records }) => [end, records]), [["stopped", 1502], [
        "stopped",
        1502,
      ]]);
    })),
);

test(
  "kill -9 while writing, again and again beside a guard that lives: nothing is altered, everything is accounted for",
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "a.jsonl");
      const survivor = openLog(file);
      for (let round = 0; round < 3; round++) {
        const child = startWriter(file, 0);
        try {
          await once(child.stdout!, "data");
          const before = statSync(file).size;
          await waitUntil(() => {
            writeDecisions(survivor, 1);
            return statSync(file).size > before + 200_000;
          }, 15_000);
        } finally {
          await stop(child);
        }
        assert.equal(verifyAuditFile(file).findings, []);
        openLog(file).close("restarted");
      }
      survivor.close("done");
      const report = verifyAuditFile(file);
      assert.equal(report.findings, []);
      assert.is(report.chains.filter(({ end }) => end === "stopped").length, 4);
      assert.is(report.chains.length, 7);
    })),
);

test(
  "a log being written to can be verified",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "a.jsonl");
      const child = startWriter(file, 0);
      try {
        await once(child.stdout!, "data");
        for (let i = 0; i < 5; i++) assert.equal(verifyAuditFile(file).findings, []);
      } finally {
        await stop(child);
      }
    })),
);

test("/dev/full: the kernel's own ENOSPC refuses the flush", () =>
  withTempDir((folder) => {
    const open = (): AppendFile => {
      const fd = openSync("/dev/full", constants.O_RDWR | constants.O_APPEND);
      return {
        path: "/dev/full",
        append: (bytes) => writeSync(fd, bytes, 0, bytes.length, null),
        size: () => fstatSync(fd).size,
        read: () => 0,
        inPlace: () => true,
        sync() {},
        syncLater: (done) => done(null),
        close: () => closeSync(fd),
      };
    };
    const options = logOptions(join(folder, "unused"), { open, anchor: false });
    throws(() => openAuditLog(options), { code: "ERR_AUDIT_UNWRITABLE", message: /ENOSPC|[Nn]o space left/ });
    const { log, notices } = openAuditLog({ ...options, mandatory: false });
    assert.match(notices[0]!, /No audit log is kept/);
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE" });
  }));

function mountTmpfs(folder: string): boolean {
  mkdirSync(folder, { mode: 0o700 });
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", folder], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

test("a real full disk: short write, refusal, room again, and a log that verifies", () =>
  withTempDir((above) => {
    const folder = join(above, "small");
    if (skipUnless(mountTmpfs(folder), "needs the right to mount a tmpfs")) return;
    try {
      const file = join(folder, "a.jsonl");
      const filler = join(folder, "filler");
      writeFileSync(filler, Buffer.alloc(32_768));
      const log = openLog(file, { anchor: false });
      let failed = 0;
      for (let i = 0; i < 200; i++) {
        log.append(decision({ name: "x".repeat(i) }));
        try {
          log.flush();
        } catch (error) {
          assert.is((error as { code?: string }).code, "ERR_AUDIT_UNWRITABLE");
          failed++;
        }
      }
      assert.ok(failed > 20 && failed < 190, `${failed} failed`);
      writeFileSync(filler, "");
      writeDecisions(log, 3);
      log.close("done");
      const report = verifyAuditFile(file);
      assert.equal(report.findings, []);
      assert.is(report.chains[0]!.dropped, failed);
      assert.is(report.chains[0]!.end, "stopped");
      assert.match(readFileSync(file, "latin1"), new RegExp(`"dropped":${failed}`));
    } finally {
      execFileSync("/bin/umount", [folder]);
    }
  }));

test.run();
