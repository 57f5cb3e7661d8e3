import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sealText, sha256Hex } from "../../sidecar/audit/record/seal.ts";
import { verifyAuditFile } from "../../sidecar/audit/reading/verify.ts";
import { throws, withTempDir } from "../harness.ts";
import { decision, identity, openLog, writeDecisions } from "./support.ts";

const test = suite("verifyAuditFile()");

/** A log of three interleaved chains, each with its stop record and anchored heads. */
function writeLog(
  folder: string,
): { readonly file: string; readonly bytes: Buffer; readonly lines: readonly string[] } {
  const file = join(folder, "a.jsonl");
  const logs = [openLog(file), openLog(file)];
  for (let i = 0; i < 12; i++) {
    const log = logs[(i * 7) % 5 % logs.length]!;
    log.identify("s1", identity);
    log.append(decision({ rpcId: String(i), name: `tool-${i}`, decisionUs: i }));
    if (i % 3 !== 0) log.flush();
    if (i === 4) logs.push(openLog(file));
  }
  for (const log of logs) log.close("done");
  const bytes = readFileSync(file);
  return { file, bytes, lines: bytes.toString("latin1").split("\n").slice(0, -1) };
}

function verify(file: string, content: string | Uint8Array) {
  const fd = openSync(file, "w");
  writeSync(fd, typeof content === "string" ? Buffer.from(content, "latin1") : content);
  closeSync(fd);
  return verifyAuditFile(file);
}

const kinds = (
  report: ReturnType<typeof verifyAuditFile>,
) => [...new Set(report.findings.map(({ kind }) => kind))];

test("an untouched log of several chains is unaltered, proven to each end, and without notes", () =>
  withTempDir((folder) => {
    const report = verifyAuditFile(writeLog(folder).file);
    assert.equal([report.findings, report.notes, report.altered], [[], [], false]);
    assert.equal(report.chains.map(({ end }) => end), ["stopped", "stopped", "stopped"]);
    assert.is(report.records, 18);
  }));

test("any change, removal or insertion of a single byte is reported", () =>
  withTempDir((folder) => {
    const { file, bytes } = writeLog(folder);
    const where = fc.nat(bytes.length - 1);
    const edits: readonly fc.Arbitrary<Buffer>[] = [
      fc.tuple(where, fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
        const copy = Buffer.from(bytes);
        copy[at] = copy[at]! ^ by;
        return copy;
      }),
      where.map((at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])),
      fc.tuple(fc.nat(bytes.length), fc.nat(255)).map(([at, byte]) =>
        Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)])
      ),
    ];
    fc.assert(
      fc.property(fc.oneof(...edits), (edited) => {
        if (edited.equals(bytes)) return;
        const report = verify(file, edited);
        assert.ok(report.altered || report.notes.length > 0);
        // Only a newline can come or go without a record being harmed.
        const harmless =
          edited.toString("latin1").replaceAll("\n", "") === bytes.toString("latin1").replaceAll("\n", "");
        assert.ok(report.altered || harmless || edited.subarray(0, bytes.length).equals(bytes));
      }),
      { numRuns: 400 },
    );
  }));

test("any run of lines that is removed is reported", () =>
  withTempDir((folder) => {
    const { file, lines } = writeLog(folder);
    for (let from = 0; from < lines.length; from++) {
      for (let to = from + 1; to <= lines.length; to++) {
        const kept = [...lines.slice(0, from), ...lines.slice(to)];
        const report = verify(file, kept.map((line) => `${line}\n`).join(""));
        // An empty file looks like a new one after a rotation; the note says how many chains are elsewhere.
        if (kept.length > 0) assert.ok(report.altered, `${from} to ${to}`);
      }
    }
  }));

test("a cut tail is found by the anchor at every byte, and called unproven without one", () =>
  withTempDir((folder) => {
    const { file, bytes } = writeLog(folder);
    const empty = join(folder, "empty.anchor");
    writeFileSync(empty, "");
    for (let length = bytes.indexOf("\n") + 1; length < bytes.length - 1; length += 101) {
      assert.ok(verify(file, bytes.subarray(0, length)).altered, `cut to ${length}`);
      const alone = verifyAuditFile(file, empty);
      assert.equal(alone.findings, [], `cut to ${length}`);
      assert.ok(alone.chains.some(({ end }) => end === "unproven"), `cut to ${length}`);
    }
  }));

test("any two lines swapped are reported once a chain is out of order; the order between chains is not proven", () =>
  withTempDir((folder) => {
    const { file, lines } = writeLog(folder);
    const chainOf = (line: string) => line.slice(15, 31);
    for (let a = 0; a < lines.length; a++) {
      for (let b = a + 1; b < lines.length; b++) {
        const swapped = [...lines];
        [swapped[a], swapped[b]] = [lines[b]!, lines[a]!];
        const report = verify(file, swapped.map((line) => `${line}\n`).join(""));
        const chains = new Set(lines.map(chainOf));
        const reordered = [...chains].some((chain) =>
          swapped.filter((line) => chainOf(line) === chain).join() !==
            lines.filter((line) => chainOf(line) === chain).join()
        );
        if (reordered || a === 0) assert.ok(report.altered, `${a} and ${b}`);
        else assert.is(report.altered, false);
      }
    }
  }));

test("any line that is repeated anywhere is reported", () =>
  withTempDir((folder) => {
    const { file, lines } = writeLog(folder);
    fc.assert(
      fc.property(fc.nat(lines.length - 1), fc.nat(lines.length), (which, at) => {
        const repeated = [...lines.slice(0, at), lines[which]!, ...lines.slice(at)];
        assert.ok(verify(file, repeated.map((line) => `${line}\n`).join("")).altered);
      }),
      { numRuns: 300 },
    );
  }));

const reseal = (line: string, change: (body: string) => string) => {
  const body = change(line.slice(0, line.lastIndexOf(',"hash":"')));
  return body + sealText(sha256Hex(Buffer.from(body, "latin1"))).trimEnd();
};

const edits: readonly {
  readonly name: string;
  readonly kind: string;
  readonly edit: (lines: string[]) => string[];
}[] = [
  {
    name: "a deny turned into an allow",
    kind: "edited",
    edit: (lines) => lines.with(3, lines[3]!.replace('"allow"', '"denyy"')),
  },
  {
    name: "a record rewritten with a new hash",
    kind: "unlinked",
    edit: (lines) => lines.with(3, reseal(lines[3]!, (it) => it.replace('"allow"', '"deny"'))),
  },
  {
    name: "a stop record rewritten with a new hash",
    kind: "anchor-mismatch",
    edit: (lines) => lines.with(-1, reseal(lines.at(-1)!, (it) => it.replace("done", "fine"))),
  },
  {
    name: "a record of another chain's number",
    kind: "missing",
    edit: (lines) => lines.with(3, reseal(lines[3]!, (it) => it.replace(/"seq":\d+/, '"seq":77'))),
  },
  { name: "a line that is no record", kind: "foreign", edit: (lines) => lines.toSpliced(3, 0, "hello") },
  { name: "a line of JSON", kind: "foreign", edit: (lines) => lines.toSpliced(3, 0, '{"v":1}') },
  {
    name: "a line longer than any record",
    kind: "foreign",
    edit: (lines) => lines.toSpliced(3, 0, "x".repeat(3_000_000)),
  },
  { name: "a carriage return", kind: "edited", edit: (lines) => lines.with(3, `${lines[3]}\r`) },
  {
    name: "a record behind a stop record",
    kind: "after-stop",
    edit: (lines) => {
      const { seq, hash } = JSON.parse(lines.at(-1)!) as { seq: number; hash: string };
      const next = (it: string) =>
        it.replace(/"seq":\d+,"prev":"[0-9a-f]+"/, `"seq":${seq + 1},"prev":"${hash}"`);
      return [...lines, reseal(lines.at(-1)!, next)];
    },
  },
  {
    name: "a chain that is gone altogether",
    kind: "gone",
    edit: (lines) => lines.filter((line) => !line.includes(lines.at(-1)!.slice(0, 31))),
  },
  { name: "the file's beginning replaced", kind: "beginning-gone", edit: (lines) => lines.slice(1) },
  {
    name: "a forged start in the middle",
    kind: "missing",
    edit: (lines) => lines.with(1, reseal(lines[1]!, (it) => it.replace(/"seq":\d+/, '"seq":5'))),
  },
];
for (const { name, kind, edit } of edits) {
  test(`${name} is ${kind}`, () =>
    withTempDir((folder) => {
      const { file, lines } = writeLog(folder);
      const report = verify(file, edit([...lines]).map((line) => `${line}\n`).join(""));
      assert.ok(report.altered);
      assert.ok((kinds(report) as string[]).includes(kind), `found ${kinds(report).join()}`);
    }));
}

test("a record can be checked with nothing but sha256: the hash is of all bytes before it", () =>
  withTempDir((folder) => {
    for (const line of writeLog(folder).lines) {
      const at = line.lastIndexOf(',"hash":"');
      assert.is(sha256Hex(Buffer.from(line.slice(0, at))), JSON.parse(line).hash);
    }
  }));

test("a forged recovered record explains a foreign line, but never a record that is gone", () =>
  withTempDir((folder) => {
    const { file, lines } = writeLog(folder);
    const broken = lines[5]!.slice(0, 500);
    const forged = `${broken}\n`;
    const fragment = { bytes: 500, sha256: sha256Hex(Buffer.from(broken)) };
    const start = reseal(lines[0]!, (it) => it.replace(/"chain":"[a-z2-7]+"/, `"chain":"${"a".repeat(16)}"`));
    const recovered = reseal(
      start,
      (it) =>
        it.replace('"seq":0', '"seq":1').replace(/"prev":"0+"/, `"prev":"${JSON.parse(start).hash}"`)
          .replace('"type":"start"', '"type":"recovered"').replace(
            /"detail":.*$/,
            `"detail":{"broken":[${JSON.stringify(fragment)}]}`,
          ),
    );
    const content = [...lines.slice(0, 5), forged.trimEnd(), ...lines.slice(6), start, recovered];
    const report = verify(file, content.map((line) => `${line}\n`).join(""));
    assert.ok(kinds(report).includes("missing"));
  }));

test("damage to a file of many lines is listed up to a bound and counted whole", () =>
  withTempDir((folder) => {
    const { file, lines } = writeLog(folder);
    const report = verify(file, `${lines[0]}\n` + "junk\n".repeat(12_000));
    assert.ok(report.findings.length <= 200);
    assert.ok(report.findingCount >= 12_000);
  }));

test("a guard that runs, or was killed, has an unproven tail and no finding; heads up to the last count", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "a.jsonl");
    const log = openLog(file);
    writeDecisions(log, 3);
    const report = verifyAuditFile(file);
    assert.equal([report.altered, report.chains[0]!.end], [false, "unproven"]);
    log.close("done");
    assert.is(verifyAuditFile(file).chains[0]!.end, "stopped");
  }));

test("an anchor whose lines were destroyed is told", () =>
  withTempDir((folder) => {
    const { file } = writeLog(folder);
    writeFileSync(`${file}.anchor`, "no heads here\n".repeat(3), { mode: 0o600 });
    const report = verifyAuditFile(file);
    assert.equal([report.altered, report.notes], [false, ["3 lines of the anchor are no heads"]]);
  }));

test("a log or a named anchor that is not there is an error, not an empty report", () =>
  withTempDir((folder) => {
    const { file } = writeLog(folder);
    throws(() => verifyAuditFile(join(folder, "no")), { code: "ENOENT" });
    throws(() => verifyAuditFile(file, join(folder, "no")), { code: "ENOENT" });
  }));

test.run();
