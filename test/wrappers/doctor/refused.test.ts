import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TAIL_BYTES } from "../../../sidecar/audit/reading/refused-peers.ts";
import { RefusalRecords } from "../../../sidecar/gate/admission/refusal-records.ts";
import { absent, known, type ProcessEvidence } from "../../../sidecar/model/evidence.ts";
import type { GuardErrorCode } from "../../../sidecar/model/errors.ts";
import type { RuntimeKind } from "../../../policy/mod.ts";
import { command as doctor } from "../../../wrappers/commands/doctor.ts";
import { decision, openLog } from "../../audit/support.ts";
import { digest, trustText } from "../../config/trust/trust-support.ts";
import { EVIDENCE, PEER, PROCESS } from "../../fakes/attestation.ts";
import { guardCommand, limited, waitUntil, withTempDir } from "../../harness.ts";
import { atTerminal, type Ended, noTerminal, type Typed } from "../terminal.ts";

const it = suite("doctor: who was refused");
const DIGEST = "ab".repeat(32);

interface Lent {
  readonly folder: string;
  readonly file: string;
  readonly trust: string;
  /** A file at which a refused program could have been seen. */
  readonly program: string;
}

function lent(body: (lent: Lent) => Promise<void> | void): () => Promise<void> {
  return limited(60_000, () =>
    withTempDir(async (temp) => {
      const folder = join(realpathSync(temp), "state");
      mkdirSync(folder, { mode: 0o700 });
      const program = join(folder, "agent");
      writeFileSync(program, "agent", { mode: 0o755 });
      await body({ folder, file: join(folder, "x.audit.jsonl"), trust: join(folder, "trust.json"), program });
    }));
}

/** Writes refusals as a guard does. */
function refuse(
  file: string,
  path: string,
  more: {
    readonly code?: GuardErrorCode;
    readonly reasons?: readonly string[];
    readonly executable?: Partial<ProcessEvidence["executable"]>;
    readonly times?: number;
    readonly uid?: number;
  } = {},
): void {
  const { code = "ERR_PEER_REFUSED", reasons = ["agent: another digest"], times = 1, uid = PEER.uid } = more;
  const executable = { ...PROCESS.executable, path: known(path, "measured"), ...more.executable };
  const evidence = {
    ...EVIDENCE,
    credentials: known({ ...PEER, uid }, "kernel"),
    process: { ...PROCESS, executable },
  };
  const log = openLog(file);
  const records = new RefusalRecords(log);
  const identity = { principal: { name: "x", id: "spiffe://localhost/x" }, evidence };
  for (let n = 0; n < times; n++) records.record({ admitted: false, code, reasons, identity } as never);
  log.close("done");
}

async function ask(...args: string[]): Promise<{ code: number; out: string }> {
  const plain = (text: string) => text;
  const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };
  let out = "";
  const code = await doctor.run(args, { out: (text) => void (out += text), err: () => {}, style });
  return { code, out };
}

async function refusedIn(file: string, trust: string) {
  return JSON.parse((await ask("--json", "--audit", file, "--trust", trust)).out).refused;
}

/** What a shell makes of a command line. */
function words(command: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", command.replace("mcp-guard", String.raw`printf '%s\0'`)]);
  return stdout.toString().split("\0").slice(0, -1);
}

it(
  "a program that was refused is told of with its digest, and the command that trusts this digest",
  lent(async ({ file, trust, program }) => {
    refuse(file, program, { times: 3 });
    const { logs, programs } = await refusedIn(file, trust);
    assert.equal(logs, [{ file, unread: 0, doubt: null }]);
    assert.is(programs.length, 1);
    const [{ times, latest, advice }] = programs;
    assert.equal(
      [times, latest.sha256, latest.pid, latest.uid, latest.path, latest.grade, latest.reasons],
      [3, DIGEST, PEER.pid, PEER.uid, program, "measured", ["agent: another digest"]],
    );
    const expected = ["trust", "add", "NAME", "--path", program, "--sha256", DIGEST, "--trust", trust];
    assert.equal(words(advice.command), expected);
    const { out } = await ask("--audit", file, "--trust", trust);
    assert.ok(out.includes(advice.command));
    assert.match(out, /3 times, last for ERR_PEER_REFUSED: "agent: another digest"/);
    assert.match(out, /Whoever can write a log can make this up/);
  }),
);

it(
  "no word of a log is an order to a shell or a terminal",
  lent(async ({ folder, file, trust }) => {
    const nasty = [
      "a b",
      "$(touch owned)",
      "it's;`id`",
      "-rf",
      "new\nline",
      "\x1b[2J",
      "\u202egpj",
      "\ufffd",
      "é",
    ];
    for (const [index, name] of nasty.entries()) {
      const path = join(folder, name);
      writeFileSync(path, "x");
      const sha256 = known(`${index}`.repeat(64), "measured");
      refuse(file, path, { executable: { sha256 }, reasons: [`entry: ${name}`] });
    }
    const { programs } = await refusedIn(file, trust);
    assert.is(programs.length, nasty.length);
    for (const [index, name] of nasty.entries()) {
      const sha256 = `${index}`.repeat(64);
      const { advice } = programs.find((each: { latest: { sha256: string } }) =>
        each.latest.sha256 === sha256
      );
      if (/[\p{C}\ufffd]/u.test(name)) assert.is(advice.command, null, JSON.stringify(name));
      else assert.is(words(advice.command)[4], join(folder, name));
    }
    const { out } = await ask("--audit", file, "--trust", trust);
    assert.not.match(out, /[\x00-\x09\x0b-\x1f\u202e]/);
    assert.not.ok(existsSync("owned"));
  }),
);

const LATER: string = "wasm";

const UNHELPFUL: readonly [name: string, more: Parameters<typeof refuse>[2], note: RegExp][] = [
  ["who was gone", { code: "ERR_PEER_GONE" }, /trusting it changes nothing/],
  ["who could not be identified", { code: "ERR_PEER_UNIDENTIFIED" }, /trusting it changes nothing/],
  [
    "what could not be measured",
    { executable: { sha256: absent("exe-unreadable") } },
    /could not be measured/,
  ],
  ["whose kind is not known", { executable: { runtime: absent("not-gathered") } }, /could not be measured/],
  ["an interpreter", { executable: { runtime: known("node", "measured") } }, /depends on its script/],
  ["a relay", { executable: { runtime: known("relay", "measured") } }, /never an identity/],
  [
    "a kind of a later version",
    { executable: { runtime: known(LATER as RuntimeKind, "measured") } },
    /never an identity/,
  ],
  ["what is not there any more", { executable: { path: known("/nonexistent/x", "measured") } }, /any more/],
  ["what has no path", { executable: { path: absent("exe-deleted") } }, /no path/],
  ["what has no whole path", { executable: { path: known("relative", "measured") } }, /not known/],
  ["whose path was cut", { executable: { path: known(`/${"x".repeat(600)}`, "measured") } }, /not known/],
];
for (const [name, more, note] of UNHELPFUL) {
  it(
    `there is no command for ${name}`,
    lent(async ({ file, trust, program }) => {
      refuse(file, program, more);
      const { programs: [{ advice }] } = await refusedIn(file, trust);
      assert.is(advice.command, null);
      assert.match(advice.note, note);
    }),
  );
}

it(
  "what is trusted by now is said to be, and a runtime with one program inside needs a test first",
  lent(async ({ file, trust, program }) => {
    const runtime = known<RuntimeKind>("bun-compiled", "measured");
    refuse(file, program, { executable: { runtime } });
    const { programs: [{ advice }] } = await refusedIn(file, trust);
    assert.not.ok(advice.command.includes("--tested"));
    assert.match(advice.note, /only after the test/);
    writeFileSync(trust, trustText({ mine: [digest(DIGEST)] }), { mode: 0o600 });
    const { programs: [now] } = await refusedIn(file, trust);
    assert.is(now.advice.command, null);
    assert.match(now.advice.note, /trusted as mine/);
  }),
);

const TAMPERED: readonly [name: string, tamper: (file: string) => void, doubt: RegExp][] = [
  [
    "an edited record",
    (file) => rewrite(file, (text) => text.replace(DIGEST, "cd".repeat(32))),
    /hash it carries/,
  ],
  [
    "a record that was taken out",
    (file) => rewrite(file, (text) => text.split("\n").filter((_, line) => line !== 1).join("\n")),
    /does not follow/,
  ],
  ["a record that was repeated", (file) =>
    rewrite(file, (text) => {
      const lines = text.split("\n");
      return [...lines.slice(0, 2), lines[1], ...lines.slice(2)].join("\n");
    }), /does not follow/],
  ["a log that others can write", (file) => chmodSync(file, 0o666), /can be written by others/],
  [
    "a folder that others can write",
    (file) => chmodSync(join(file, ".."), 0o777),
    /can be written by others/,
  ],
  ["a link in the log's place", (file) => {
    copyFileSync(file, `${file}.real`);
    rmSync(file);
    symlinkSync(`${file}.real`, file);
  }, /ELOOP|symbolic link/i],
  ["a folder in the log's place", (file) => {
    rmSync(file);
    mkdirSync(file);
  }, /not a regular file/],
  ["a FIFO in the log's place", (file) => {
    rmSync(file);
    spawnSync("mkfifo", [file]);
  }, /not a regular file/],
];
for (const [name, tamper, doubt] of TAMPERED) {
  it(
    `no command goes by ${name}`,
    lent(async ({ file, trust, program }) => {
      refuse(file, program, { times: 2 });
      tamper(file);
      const { logs, programs } = await refusedIn(file, trust);
      assert.match(logs[0].doubt, doubt);
      for (const { advice } of programs) assert.is(advice.command, null);
      const { out } = await ask("--audit", file, "--trust", trust);
      assert.match(out, /do not rely on .*x\.audit\.jsonl/);
      assert.not.match(out, /trust add NAME/);
    }),
  );
}

it(
  "half a record, at the end or before a whole one, spoils nothing",
  lent(async ({ file, trust, program }) => {
    refuse(file, program);
    const whole = readFileSync(file);
    appendFileSync(file, whole.subarray(0, 100));
    chmodSync(file, 0o600); // Appending sets the mode anew on Deno.
    assert.is((await refusedIn(file, trust)).logs[0].doubt, null);
    // Another guard's records follow on the same line, as they do when nobody had the time to end it.
    rmSync(file);
    refuse(file, program, { uid: 7 });
    writeFileSync(`${file}.2`, Buffer.concat([whole.subarray(0, 100), readFileSync(file)]), { mode: 0o600 });
    const { logs, programs } = await refusedIn(`${file}.2`, trust);
    assert.equal([logs[0].doubt, programs.length, programs[0].latest.uid], [null, 1, 7]);
  }),
);

it(
  "only the end of a long log is read, and that is said",
  lent(async ({ file, trust, program }) => {
    refuse(file, program, { uid: 1 });
    const log = openLog(file);
    for (let n = 0; n < 4000; n++) {
      log.append(decision());
      if (n % 64 === 0) log.flush();
    }
    log.close("done");
    refuse(file, program, { uid: 2 });
    const { logs: [{ unread, doubt }], programs } = await refusedIn(file, trust);
    const { length } = readFileSync(file);
    assert.ok(length > TAIL_BYTES && unread >= length - TAIL_BYTES && unread < length - TAIL_BYTES + 4096);
    assert.equal([doubt, programs.length, programs[0].latest.uid], [null, 1, 2]);
    assert.match((await ask("--audit", file, "--trust", trust)).out, /Only the last mebibyte/);
  }),
);

it(
  "no log is no error, and nobody is made up",
  lent(async ({ folder, trust }) => {
    const none = await refusedIn(join(folder, "none.jsonl"), trust);
    assert.equal(none, { logs: [], moreLogs: 0, programs: [], morePrograms: 0 });
  }),
);

for (const args of [["--name", "x", "--audit", "y"], ["--var", "A=b"], ["--name", "../x"], ["x"]]) {
  it(`'doctor ${args.join(" ")}' is refused`, async () => {
    try {
      await ask(...args);
    } catch (error) {
      const { name, code } = error as { name: string; code?: string };
      assert.ok(name === "UsageError" || code === "ERR_CONFIG_INVALID", String(error));
      return;
    }
    assert.unreachable();
  });
}

it(
  "the command that is shown lets the program in, and no other that lies at its path",
  lent(async ({ folder, file, trust }) => {
    if (noTerminal()) return;
    const starter = join(folder, "starter");
    const timeout = realpathSync(spawnSync("sh", ["-c", "command -v timeout"]).stdout.toString().trim());
    // Under its own name it counts as a relay.
    copyFileSync(timeout, starter);
    chmodSync(starter, 0o755);
    const policy = join(folder, "p.yaml");
    const text = `version: 1
name: told
audit: {file: ${file}}
clients:
  - {name: mine, grade: lineage, executable: {sha256: "trust:mine"}}
`;
    writeFileSync(policy, text, { mode: 0o600 });
    const start = () => startedBy(starter, file, "--policy", policy, "--trust", trust);
    const first = await start();
    assert.ok(/Not admitted \[ERR_PEER_REFUSED\]/.test(first), first);
    const report = JSON.parse((await ask("--json", "--policy", policy, "--trust", trust)).out).refused;
    const [{ advice }] = report.programs;
    assert.ok(advice.command, JSON.stringify(report));
    const told = words(advice.command);
    assert.is(told[2], "mine");

    appendFileSync(starter, "another");
    chmodSync(starter, 0o755);
    const other = await typed(told, { answer: "y\n", prompt: "No question" });
    assert.is(other.code, 1);
    const mismatch = /its sha256 is [0-9a-f]{64}, not the one that was asked for/;
    assert.ok(mismatch.test(other.err), other.err);
    assert.not.ok(existsSync(trust));

    copyFileSync(timeout, starter);
    chmodSync(starter, 0o755);
    const { code, err } = await typed(told, { answer: "y\n" });
    assert.equal([code, err], [0, ""]);
    assert.not.match(await start(), /Not admitted/);
    assert.ok(hasSession(file, "mine"));
  }),
);

/** At a terminal; again where a busy machine did not get to hash all that started it in time, which is a refusal too. */
async function typed(words: readonly string[], answers: Typed): Promise<Ended> {
  let ended: Ended;
  let left = 5;
  do ended = await atTerminal([...guardCommand(), ...words], answers); while (
    /cannot be told \(budget\)/.test(ended.err) && --left > 0
  );
  return ended;
}

/**
 * What the guard says on stderr when this program starts it, up to where it is refused or a session begins. The program
 * holds both ends of the pipe that the guard reads: nobody else made it.
 */
async function startedBy(starter: string, audit: string, ...options: string[]): Promise<string> {
  const fifo = `${starter}.fifo`;
  spawnSync("mkfifo", ["-m", "600", fifo]);
  const own = [starter, "30", ...guardCommand(), "run", ...options, "--", "cat"];
  const child = spawn("sh", ["-c", 'exec 3<>"$0"; exec "$@" <&3', fifo, ...own], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const closed = new Promise((resolve) => child.once("close", resolve));
  const begun = waitUntil(() => child.exitCode !== null || hasSession(audit, "mine"), 20_000);
  await begun.finally(() => child.kill("SIGTERM"));
  await closed;
  return said;
}

function hasSession(audit: string, principal: string): boolean {
  return existsSync(audit) &&
    readFileSync(audit, "utf8").split("\n").some((line) =>
      line.includes(`"who":{"principal":"${principal}"`)
    );
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, "utf8")));
}

it.run();
