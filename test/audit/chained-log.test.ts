import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultAuditFile } from "../../sidecar/audit/file/safe-path.ts";
import { openAuditLog } from "../../sidecar/audit/open-audit-log.ts";
import { verifyAuditFile } from "../../sidecar/audit/reading/verify.ts";
import { skipUnless, throws, waitUntil, withTempDir } from "../harness.ts";
import { decision, identity, logOptions, openLog, ShortDisk, writeDecisions } from "./support.ts";

const test = suite("openAuditLog()");
const isRoot = process.geteuid?.() === 0;

function records(file: string): Record<string, unknown>[] {
  return readFileSync(file, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

function whole(file: string): void {
  const { findings } = verifyAuditFile(file);
  assert.equal(findings, []);
}

test("a chain begins with start, ends with stop, and every record names who, policy and server", () =>
  withTempDir((folder) => {
    const file = join(folder, "state", "a.jsonl");
    const log = openLog(file, { variables: { PROJECT: "/work" } });
    log.identify("s1", identity);
    log.append({ type: "session-start", session: "s1", detail: {} });
    log.append(decision());
    log.append({
      type: "result",
      session: "s1",
      direction: "fromPeer",
      method: "tools/call",
      outcome: "ok",
      durationMs: 1,
      bytes: 2,
    });
    log.flush();
    log.close("stdin ended");
    const all = records(file);
    assert.equal(all.map(({ type }) => type), ["start", "session-start", "decision", "result", "stop"]);
    assert.equal(all.map(({ seq }) => seq), [0, 1, 2, 3, 4]);
    for (const record of all) {
      assert.is(record["chain"], log.chain);
      assert.is(record["policy"], "ab".repeat(32));
      assert.is(record["server"], "files");
      assert.match(String(record["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.type(record["uptime_ms"], "number");
    }
    for (const record of all.slice(1, 4)) {
      assert.is((record["who"] as { principal: string }).principal, "claude-code");
    }
    const start = all[0]!["detail"] as Record<string, unknown>;
    assert.is(start["pid"], process.pid);
    assert.is(start["policy_name"], "files");
    assert.equal(start["variables"], { PROJECT: "/work" });
    assert.equal(all[4]!["detail"], { reason: "stdin ended" });
    whole(file);
  }));

test("file and anchor are made 0600 in a folder made 0700", () =>
  withTempDir((folder) => {
    const file = join(folder, "new", "a.jsonl");
    openLog(file).close("done");
    const mode = (path: string) => statSync(path).mode & 0o777;
    assert.is(mode(join(folder, "new")), 0o700);
    assert.is(mode(file), 0o600);
    assert.is(mode(`${file}.anchor`), 0o600);
  }));

test("nothing is written before flush, and everything after it", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file);
    log.append(decision());
    assert.is(records(file).length, 1);
    log.flush();
    assert.is(records(file).length, 2);
    log.close("done");
  }));

test("a session nobody identified yet is recorded as nobody, and so is one that was forgotten", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file);
    log.append(decision());
    log.identify("s1", identity);
    log.append(decision());
    log.forget("s1");
    log.append(decision());
    log.close("done");
    assert.equal(records(file).slice(1, 4).map(({ who }) => who === null), [true, false, true]);
  }));

test("a closed log takes no record: its descriptor may be another file's by now", () =>
  withTempDir((folder) => {
    const log = openLog(join(folder, "a.jsonl"));
    log.close("done");
    log.close("twice is fine");
    throws(() => log.append(decision()), { code: "ERR_AUDIT_UNWRITABLE" });
  }));

const unsafe: readonly {
  readonly name: string;
  readonly message: RegExp;
  readonly needsRoot?: boolean;
  readonly arrange: (folder: string, file: string) => void;
}[] = [
  {
    name: "a symbolic link",
    message: /symbolic link/,
    arrange: (folder, file) => {
      writeFileSync(join(folder, "target"), "");
      symlinkSync(join(folder, "target"), file);
    },
  },
  {
    name: "a dangling symbolic link",
    message: /symbolic link/,
    arrange: (folder, file) => symlinkSync(join(folder, "no"), file),
  },
  { name: "a folder", message: /Cannot open/, arrange: (_, file) => mkdirSync(file) },
  {
    name: "a file others can write",
    message: /written by others/,
    arrange: (_, file) => {
      writeFileSync(file, "");
      chmodSync(file, 0o602);
    },
  },
  {
    name: "a file the group can write",
    message: /written by others/,
    arrange: (_, file) => {
      writeFileSync(file, "");
      chmodSync(file, 0o620);
    },
  },
  {
    name: "a folder others can write",
    message: /folder .* written by others/,
    arrange: (folder) => chmodSync(folder, 0o777),
  },
  {
    name: "a sticky folder others can write",
    message: /folder .* written by others/,
    arrange: (folder) => chmodSync(folder, 0o1777),
  },
  {
    name: "a file of another user",
    needsRoot: true,
    message: /belongs to uid 12345/,
    arrange: (_, file) => {
      writeFileSync(file, "", { mode: 0o600 });
      chownSync(file, 12345, 12345);
    },
  },
  {
    name: "a folder of another user",
    needsRoot: true,
    message: /folder .* belongs to uid 12345/,
    arrange: (folder) => chownSync(folder, 12345, 12345),
  },
  {
    name: "a file that is no audit log",
    message: /not an audit record/,
    arrange: (_, file) => writeFileSync(file, "alias ls=rm\n", { mode: 0o600 }),
  },
];
for (const { name, message, needsRoot, arrange } of unsafe) {
  test(`refuses ${name}`, () =>
    withTempDir((above) => {
      if (skipUnless(needsRoot !== true || isRoot, "needs root to give files away")) return;
      const folder = join(above, "folder");
      const file = join(folder, "a.jsonl");
      mkdirSync(folder, { mode: 0o700 });
      arrange(folder, file);
      throws(() => openLog(file), { code: "ERR_AUDIT_UNWRITABLE", message });
    }));
}

test("refuses a folder that somebody above it could replace", () =>
  withTempDir((above) => {
    mkdirSync(join(above, "open", "own"), { recursive: true, mode: 0o700 });
    chmodSync(join(above, "open"), 0o777);
    throws(() => openLog(join(above, "open", "own", "a.jsonl")), {
      code: "ERR_AUDIT_UNWRITABLE",
      message: /above it/,
    });
    chmodSync(join(above, "open"), 0o1777);
    openLog(join(above, "open", "own", "a.jsonl")).close("sticky is safe");
  }));

test("an unsafe anchor is refused like an unsafe log", () =>
  withTempDir((folder) => {
    symlinkSync(join(folder, "elsewhere"), join(folder, "a.jsonl.anchor"));
    throws(() => openLog(join(folder, "a.jsonl")), { code: "ERR_AUDIT_UNWRITABLE" });
  }));

test("a log that is not mandatory and cannot be opened says so at each flush", () =>
  withTempDir((folder) => {
    chmodSync(folder, 0o777);
    const { log, notices } = openAuditLog(logOptions(join(folder, "a.jsonl"), { mandatory: false }));
    assert.is(log.mandatory, false);
    assert.match(notices[0]!, /No audit log is kept: .*written by others/);
    log.flush();
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE" });
    log.close("done");
  }));

test("XDG_STATE_HOME counts only when it is absolute, and a name cannot leave the folder", () => {
  assert.is(defaultAuditFile("files", "/state"), "/state/mcp-guard/files.audit.jsonl");
  assert.match(
    defaultAuditFile("files", "relative/state"),
    /^\/.*\/\.local\/state\/mcp-guard\/files\.audit\.jsonl$/,
  );
  for (const name of ["../x", "a/b", "", ".hidden", "a\0b", "x".repeat(65)]) {
    throws(() => defaultAuditFile(name, "/state"), { code: "ERR_CONFIG_INVALID" });
  }
});

test("a full disk refuses the flush, drops the batch and counts it in the next record", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const disk = new ShortDisk();
    const log = openLog(file, { open: disk.open, anchor: false });
    disk.room = 0;
    for (let i = 0; i < 3; i++) {
      log.append(decision());
      log.append(decision());
      throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE", message: /ENOSPC/ });
    }
    disk.room = undefined;
    writeDecisions(log, 2);
    log.close("done");
    assert.equal(records(file).map(({ type, dropped }) => [type, dropped]), [
      ["start", undefined],
      ["decision", 6],
      ["decision", undefined],
      ["stop", undefined],
    ]);
    whole(file);
    assert.is(verifyAuditFile(file).chains[0]!.dropped, 6);
  }));

for (const tells of [true, false]) {
  const says = tells ? "and said so" : "and not said how far it got";
  test(`wherever a write is cut short, ${says}, the log goes on and verifies beside another guard's`, () =>
    withTempDir((folder) => cutEverywhere(folder, tells)));
}

function cutEverywhere(folder: string, tells: boolean): void {
  const bytes = lengthOfTwo(join(folder, "measure.jsonl"));
  for (let room = 1; room < bytes; room += room < 40 || bytes - room < 40 ? 1 : 97) {
    const file = join(folder, `${room}.jsonl`);
    const disk = new ShortDisk();
    disk.tells = tells;
    const [log, other] = [
      openLog(file, { open: disk.open, anchor: false }),
      openLog(file, { anchor: false }),
    ];
    disk.room = room;
    log.append(decision());
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE" });
    if (room % 2 === 0) writeDecisions(other, 1); // glued to the half record
    disk.room = undefined;
    writeDecisions(log, 2);
    writeDecisions(other, 1);
    log.close("done");
    other.close("done");
    const report = verifyAuditFile(file);
    assert.equal(report.findings, [], `cut after ${room} bytes`);
    assert.equal(report.chains.map(({ end }) => end), ["stopped", "stopped"]);
    const decisions = report.chains.find(({ chain }) => chain === log.chain)!;
    assert.is(decisions.dropped + decisionsOf(file, log.chain), 4, `cut after ${room} bytes`);
  }
}

/** Decisions of a chain, in a file that may hold broken lines. */
function decisionsOf(file: string, chain: string): number {
  const pieces = readFileSync(file, "latin1").replaceAll('{"v":1,', '\n{"v":1,').split("\n");
  return pieces.filter((piece) =>
    piece.startsWith(`{"v":1,"chain":"${chain}"`) && piece.includes('"type":"decision"') &&
    piece.endsWith("}")
  ).length;
}

function lengthOfTwo(file: string): number {
  const log = openLog(file, { anchor: false });
  const before = statSync(file).size;
  log.append(decision());
  log.append(decision());
  log.flush();
  const after = statSync(file).size;
  log.close("done");
  return after - before;
}

for (const tells of [true, false]) {
  const says = tells ? "is accounted for too" : "that is not said is accounted for too";
  test(`a short write behind a short write ${says}`, () => withTempDir((folder) => cutTwice(folder, tells)));
}

function cutTwice(folder: string, tells: boolean): void {
  const file = join(folder, "a.jsonl");
  const disk = new ShortDisk();
  disk.tells = tells;
  const log = openLog(file, { open: disk.open, anchor: false });
  for (const room of [10, 1, 300, 1, 2, 700]) {
    disk.room = room;
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE" });
  }
  disk.room = undefined;
  log.close("done");
  assert.equal(verifyAuditFile(file).findings, []);
  assert.is(verifyAuditFile(file).chains[0]!.end, "stopped");
}

test("half a record left by a crash gets a newline and a recovered record, and is told", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file);
    writeDecisions(log, 3);
    log.close("done");
    const line = readFileSync(file, "latin1").split("\n")[2]!;
    for (const half of [line.slice(0, 1), line.slice(0, 100), line.slice(0, -1)]) {
      const crashed = half.replaceAll(log.chain, "a".repeat(16));
      appendFileSync(file, crashed, { mode: 0o600 }); // Deno sets the mode of a file that exists
      const { log: next, notices } = openAuditLog(logOptions(file));
      assert.match(notices[0]!, new RegExp(`${crashed.length} bytes`));
      next.close("done");
      const report = verifyAuditFile(file);
      assert.equal(report.findings, []);
      const recovered = readFileSync(file, "latin1").split("\n").filter((it) =>
        it.includes('"type":"recovered"')
      );
      assert.is(JSON.parse(recovered.at(-1)!).detail.broken[0].bytes, crashed.length);
    }
  }));

test("a whole record without its newline is no broken record", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file, { anchor: false });
    writeDecisions(log, 1);
    log.close("done");
    truncateSync(file, statSync(file).size - 1);
    const { log: next, notices } = openAuditLog(logOptions(file, { anchor: false }));
    next.close("done");
    assert.equal(notices, []);
    assert.equal(verifyAuditFile(file).findings, []);
    assert.is(verifyAuditFile(file).records, 5);
  }));

test("a renamed log is followed: the chain goes on in a new file, and both verify", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    let uptime = 0;
    const clock = { source: "monotonic" as const, wallMs: Date.now, uptimeMs: () => uptime };
    const log = openLog(file, { clock });
    writeDecisions(log, 2);
    renameSync(file, `${file}.1`);
    uptime += 5000;
    writeDecisions(log, 3);
    log.close("done");
    assert.equal(records(`${file}.1`).map(({ type, seq }) => [type, seq]), [
      ["start", 0],
      ["decision", 1],
      ["decision", 2],
      ["decision", 3],
      ["rotated", 4],
    ]);
    assert.equal(records(file).map(({ type, seq }) => [type, seq]), [
      ["continued", 5],
      ["decision", 6],
      ["decision", 7],
      ["stop", 8],
    ]);
    assert.is(records(file)[0]!["prev"], records(`${file}.1`)[4]!["hash"]);
    whole(file);
    assert.is(verifyAuditFile(file).chains[0]!.end, "stopped");
    const old = verifyAuditFile(`${file}.1`, `${file}.anchor`);
    assert.equal([old.findings, old.chains[0]!.end], [[], "rotated"]);
  }));

test("a removed log is made again; when that is unsafe, calls are refused until it is not", () =>
  withTempDir((above) => {
    const folder = join(above, "folder");
    const file = join(folder, "a.jsonl");
    let uptime = 0;
    const clock = { source: "monotonic" as const, wallMs: Date.now, uptimeMs: () => uptime };
    const log = openLog(file, { clock, anchor: false });
    rmSync(file);
    symlinkSync("/dev/null", file);
    uptime += 5000;
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE", message: /symbolic link/ });
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE", message: /symbolic link/ });
    rmSync(file);
    writeDecisions(log, 2);
    log.close("done");
    assert.is(records(file)[0]!["type"], "continued");
    whole(file);
  }));

test("heads are anchored at the start and at the stop, and name the file by its first line", async () =>
  await withTempDir(async (folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file);
    const heads = () => records(`${file}.anchor`);
    await waitUntil(() => heads().length === 1);
    writeDecisions(log, 2);
    log.close("done");
    const all = records(file);
    assert.equal(heads().map(({ seq, hash, chain }) => [seq, hash, chain]), [
      [0, all[0]!["hash"], log.chain],
      [3, all[3]!["hash"], log.chain],
    ]);
    assert.is(new Set(heads().map((head) => head["file"])).size, 1);
  }));

test("an anchor can be a descriptor, or nothing", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    openLog(file, { anchor: false }).close("done");
    throws(() => statSync(`${file}.anchor`), { code: "ENOENT" });
    openLog(file, { anchor: join(folder, "elsewhere") }).close("done");
    assert.is(verifyAuditFile(file, join(folder, "elsewhere")).altered, false);
  }));

test("an anchor that breaks is noted in the log, once", async () =>
  await withTempDir(async (folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file, { anchor: 1_000_000 }); // no such descriptor
    await delay(50);
    writeDecisions(log, 1);
    throws(() => log.close("done"), { code: "ERR_AUDIT_UNWRITABLE", message: /EBADF|descriptor/ });
    assert.equal(records(file).map(({ type }) => type), ["start", "notice", "decision", "stop"]);
    assert.equal(records(file)[1]!["detail"], { anchor_failed: "EBADF" });
  }));

test("durability group puts records on the disk; a sync that fails refuses the next call and is recorded", async () =>
  await withTempDir(async (folder) => {
    const file = join(folder, "a.jsonl");
    const disk = new ShortDisk();
    const log = openLog(file, { open: disk.open, durability: "group", anchor: false });
    writeDecisions(log, 70);
    await delay(30);
    disk.syncError = Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    writeDecisions(log, 1);
    await delay(30);
    disk.syncError = undefined;
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE", message: /EIO/ });
    writeDecisions(log, 1);
    log.close("done");
    const last = records(file).slice(-3);
    assert.equal(last.map(({ type, dropped }) => [type, dropped]), [
      ["notice", 1],
      ["decision", undefined],
      ["stop", undefined],
    ]);
    assert.equal(last[0]!["detail"], { sync_failed: "EIO" });
    whole(file);
  }));

test("two logs on one file keep two chains, whoever writes when", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    const logs = [openLog(file), openLog(file)];
    for (let i = 0; i < 20; i++) writeDecisions(logs[i % 3 % 2]!, 1);
    for (const log of logs) log.close("done");
    whole(file);
    assert.is(verifyAuditFile(file).chains.length, 2);
  }));

test("a hard link to the log changes nothing", () =>
  withTempDir((folder) => {
    const file = join(folder, "a.jsonl");
    openLog(file).close("done");
    linkSync(file, join(folder, "backup"));
    openLog(file).close("done");
    whole(file);
  }));

test.run();
