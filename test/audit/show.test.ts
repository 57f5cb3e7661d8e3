import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AuditReader } from "../../sidecar/audit/reading/audit-reader.ts";
import { LogLine } from "../../sidecar/audit/reading/show.ts";
import { visible } from "../../sidecar/audit/reading/visible.ts";
import type { Style } from "../../wrappers/command.ts";
import { command } from "../../wrappers/commands/audit.ts";
import { UsageError } from "../../wrappers/arguments.ts";
import { limited, withTempDir } from "../harness.ts";
import { decision, identity, openLog, writeDecisions } from "./support.ts";

const test = suite("audit show and verify");
const plain: Style = { bold: String, dim: String, red: String, green: String, yellow: String };

async function run(...args: string[]) {
  let [out, err] = ["", ""];
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    style: plain,
  };
  return { code: await command.run(args, terminal), out: () => out, err: () => err };
}

const HARMFUL = /[\p{C}\p{Zl}\p{Zp}]/u;

for (
  const [name, text, shown] of [
    ["an escape sequence", "\x1b[2Jx", "\\u{1b}[2Jx"],
    ["a newline that would fake a record", "a\nb", "a\\u{a}b"],
    ["a C1 control", "\x9b31m", "\\u{9b}31m"],
    ["a right-to-left override", "a\u202eb", "a\\u{202e}b"],
    ["an isolate", "\u2066x", "\\u{2066}x"],
    ["a zero-width space", "a\u200bb", "a\\u{200b}b"],
    ["a tag character", "a\u{e0041}", "a\\u{e0041}"],
    ["a lone surrogate", "\ud800", "\\u{d800}"],
    ["a no-break space", "a\u00a0b", "a\\u{a0}b"],
    ["a blank, which parts columns", "read  allow", '"read  allow"'],
    ["a quote", 'a"b', '"a\\"b"'],
    ["a backslash, so that no name can pretend to be escaped", "\\u{1b}", "\\\\u{1b}"],
    ["nothing", "", '""'],
    ["letters of any script", "читать-файл", "читать-файл"],
  ] as const
) {
  test(`visible() handles ${name}`, () => assert.is(visible(text), shown));
}

test("visible() leaves nothing that moves a cursor, whatever the text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.not.match(visible(text), HARMFUL)));
});

test("no record can put a control character on the terminal, not even one that nobody of ours wrote", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), fc.string({ unit: "binary" }), (members, text) => {
      for (const type of ["decision", "result", text, undefined]) {
        const line = LogLine.parse(
          JSON.stringify({
            ...members,
            type,
            name: text,
            who: { principal: text },
            time: text,
            detail: { [text]: text },
          }),
        );
        const { time, word, who, text: shown } = line!.show();
        for (const part of [time, word, who, shown]) assert.not.match(part, HARMFUL);
      }
    }),
  );
});

function writeSome(file: string): string {
  const log = openLog(file);
  log.identify("s1", identity);
  const refusal = log.refusalId();
  log.append({ type: "session-start", session: "s1", detail: { transport: "stdio" } });
  log.append(decision());
  log.append(
    decision({ session: "s2", name: "rm\x1b[31m", effect: "deny", reason: "default", rules: [], refusal }),
  );
  log.append(decision({ name: "x", effect: "deny", observed: true }));
  log.append({
    type: "result",
    session: "s1",
    direction: "fromPeer",
    method: "tools/call",
    name: "x",
    outcome: "ok",
    durationMs: 3,
    bytes: 9,
  });
  log.close("done");
  return refusal;
}

test("show prints a line per record, coloured by outcome and escaped", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "a.audit.jsonl");
    const refusal = writeSome(file);
    const { code, out } = await run("show", file);
    const lines = out().trimEnd().split("\n");
    assert.equal([code, lines.length], [0, 7]);
    assert.match(
      lines[2]!,
      /^\d{4}-\d\d-\d\d [\d:.]+  allow +claude-code +tools\/call read_text_file  "rule read-in-project"|rule read-in-project, 12 µs$/,
    );
    assert.ok(
      lines[3]!.includes(
        `deny          -              tools/call rm\\u{1b}[31m  default, refusal ${refusal}, 12 µs`,
      ),
      lines[3],
    );
    assert.ok(lines[4]!.includes("would deny    claude-code    tools/call x"));
    assert.ok(lines[5]!.includes("ok            claude-code    tools/call x  3 ms, 9 bytes"));
  }));

for (
  const { name, args, expect } of [
    { name: "--denied", args: ["--denied"], expect: ["deny", "deny"] },
    { name: "--session", args: ["--session", "s2"], expect: ["deny"] },
    { name: "--last", args: ["--last", "1"], expect: [undefined] },
    { name: "--last of what matches", args: ["--denied", "--last", "1"], expect: ["deny"] },
  ]
) {
  test(`show ${name} filters, and --json gives the records as they are`, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "a.audit.jsonl");
      writeSome(file);
      const { code, out } = await run("show", file, "--json", ...args);
      const effects = out().trimEnd().split("\n").map((line) => JSON.parse(line).effect);
      assert.equal([code, effects], [0, expect]);
    }));
}

test("show --refusal finds the decision behind what a client was shown, and exits with 1 for none", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "a.audit.jsonl");
    const refusal = writeSome(file);
    const found = await run("show", file, "--refusal", refusal, "--json");
    assert.equal([found.code, JSON.parse(found.out()).refusal], [0, refusal]);
    assert.is((await run("show", file, "--refusal", "aaaa-aaaaaaaa")).code, 1);
  }));

test("show says where a line is no record, and --json keeps even such a line from the terminal", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "a.audit.jsonl");
    writeFileSync(file, '\x1b[2J nonsense\n{"type":"\x7f\xff"}\n', "latin1");
    assert.match((await run("show", file)).out(), /^a broken line: 13 bytes that are no record\n/);
    assert.not.match((await run("show", file, "--json")).out(), /[^\x20-\x7e\n]/);
  }));

test("verify says unaltered, unproven and altered, with the exit code to match", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "a.audit.jsonl");
    writeSome(file);
    const good = await run("verify", file);
    assert.equal([good.code, good.out()], [
      0,
      `${file}: unaltered, 7 records in 1 chain\n  1 chain proven to the end\n`,
    ]);
    const log = openLog(file);
    writeDecisions(log, 1);
    const running = await run("verify", file);
    assert.is(running.code, 0);
    assert.match(running.out(), /tail unproven/);
    log.close("done");
    appendFileSync(file, "junk\n", { mode: 0o600 });
    const bad = await run("verify", file, "--json");
    assert.is(bad.code, 1);
    assert.equal(JSON.parse(bad.out()).findings, [{
      kind: "foreign",
      message: "the line is not an audit record",
      line: 11,
    }]);
    assert.match((await run("verify", file)).out(), /ALTERED/);
  }));

for (
  const args of [[], ["prove"], ["show", "--last", "0"], ["show", "--last", "x"], ["show", "a", "b"], [
    "verify",
    "--what",
  ]]
) {
  test(`'audit ${args.join(" ")}' is wrong usage`, async () => {
    try {
      await run(...args);
    } catch (error) {
      assert.instance(error, UsageError);
      return;
    }
    assert.unreachable("it ran");
  });
}

test("a file that is not there is named", async () => {
  const error = await run("show", "/nowhere/a.jsonl").catch((thrown: Error) => thrown);
  assert.match((error as Error).message, /Cannot read "\/nowhere\/a.jsonl": .*ENOENT/);
});

test(
  "following goes on with new lines, and in the next file after a rotation",
  limited(10_000, (signal) =>
    withTempDir(async (folder) => {
      const file = join(folder, "a.audit.jsonl");
      writeFileSync(file, "one\nhal");
      const reader = new AuditReader(file);
      try {
        assert.equal([...reader.lines()], ["one"]);
        const follow = reader.follow(signal);
        appendFileSync(file, "f\n");
        assert.is((await follow.next()).value, "half");
        appendFileSync(file, "last of the old\n");
        renameSync(file, `${file}.1`);
        writeFileSync(file, "first of the new\n");
        assert.is((await follow.next()).value, "last of the old");
        assert.is((await follow.next()).value, "first of the new");
        await follow.return(undefined);
      } finally {
        reader.close();
      }
    })),
);

test(
  "following ends with its signal",
  limited(5000, () =>
    withTempDir(async (folder) => {
      writeFileSync(join(folder, "a"), "");
      const reader = new AuditReader(join(folder, "a"));
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 50);
      for await (const line of reader.follow(controller.signal)) assert.unreachable(line);
      reader.close();
    })),
);

test.run();
