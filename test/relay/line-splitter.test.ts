import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineSplitter } from "../../sidecar/relay/line-splitter.ts";

type Outcome =
  | { readonly line: string; readonly begun: number }
  /** Everything of a line that was too long, its newline included. */
  | { readonly tooLong: string; readonly ended: boolean };

/** Pushes chunks with the ticks 1, 2, 3 …, and joins what is reported of a line in pieces. */
function split(limit: number, chunks: readonly Buffer[]) {
  const outcomes: Outcome[] = [];
  let dropping: string | undefined;
  const splitter = new LineSplitter(limit, {
    line: (bytes, start, end, begun) => {
      assert.is(dropping, undefined, "a line inside a line that is too long");
      outcomes.push({ line: bytes.toString("latin1", start, end), begun });
    },
    tooLong: (parts) => {
      assert.is(dropping, undefined);
      dropping = Buffer.concat(parts).toString("latin1");
    },
    dropped: (bytes, last) => {
      assert.is.not(dropping, undefined, "dropped before tooLong");
      dropping += bytes.toString("latin1");
      if (!last) return;
      outcomes.push({ tooLong: dropping as string, ended: true });
      dropping = undefined;
    },
  });
  chunks.forEach((chunk, i) => splitter.push(Buffer.from(chunk), i + 1));
  const held = splitter.held;
  const unfinished = splitter.finish();
  if (dropping !== undefined) outcomes.push({ tooLong: dropping, ended: false });
  return { outcomes, held, unfinished, heldAfter: splitter.held };
}

const withoutTicks = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => "line" in outcome ? outcome.line : outcome);

/** Cuts `bytes` at these fractions of its length; some pieces are empty. */
function cut(bytes: Buffer, fractions: readonly number[]): Buffer[] {
  const at = [0, ...fractions.map((f) => Math.floor(f * bytes.length)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

/** Says the same in the slowest way there is. */
function reference(limit: number, bytes: Buffer): (string | { tooLong: string; ended: boolean })[] {
  const lines = bytes.toString("latin1").split("\n");
  const rest = lines.pop() as string;
  const whole = lines.map((line) =>
    line.length > limit ? { tooLong: `${line}\n`, ended: true } : `${line}\n`
  );
  return rest.length > limit ? [...whole, { tooLong: rest, ended: false }] : whole;
}

const LIMIT = 12;
/** Newlines often, and lines around the limit. */
const streams = fc.array(
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(97, 98, 0x0d, 0xc3) }, fc.constant(0x0a)),
  {
    maxLength: 120,
  },
).map((bytes) => Buffer.from(bytes));
const longLines = fc.array(fc.integer({ min: LIMIT - 2, max: LIMIT + 2 }), { maxLength: 6 })
  .map((lengths) => Buffer.from(lengths.map((length) => "x".repeat(length)).join("\n")));
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

const it = suite("LineSplitter");

it("gives the same lines whatever the chunks", () => {
  fc.assert(
    fc.property(fc.oneof(streams, longLines), cuts, (bytes, fractions) => {
      const { outcomes, unfinished, heldAfter } = split(LIMIT, cut(bytes, fractions));
      assert.equal(withoutTicks(outcomes), reference(LIMIT, bytes));
      assert.is(unfinished, bytes.length > 0 && bytes.at(-1) !== 0x0a);
      assert.is(heldAfter, 0);
    }),
    { numRuns: 2000 },
  );
});

it("gives the same lines for chunks of one byte", () => {
  fc.assert(
    fc.property(fc.oneof(streams, longLines), (bytes) => {
      const bytewise = split(LIMIT, [...bytes].map((byte) => Buffer.of(byte)));
      const whole = split(LIMIT, [bytes]);
      assert.equal(withoutTicks(bytewise.outcomes), withoutTicks(whole.outcomes));
      assert.is(bytewise.unfinished, whole.unfinished);
      assert.is(bytewise.held, whole.held);
    }),
    { numRuns: 500 },
  );
});

it("stamps a line with the chunk that its first byte came in", () => {
  fc.assert(
    fc.property(streams, cuts, (bytes, fractions) => {
      const chunks = cut(bytes, fractions);
      const tickOfByte = chunks.flatMap((chunk, i) => Array.from(chunk, () => i + 1));
      let at = 0;
      for (const outcome of split(1000, chunks).outcomes) {
        if (!("line" in outcome)) throw new Error("No line is that long");
        assert.is(outcome.begun, tickOfByte[at]);
        at += outcome.line.length;
      }
    }),
    { numRuns: 1000 },
  );
});

for (
  const { name, chunks, expected } of [
    { name: "one under the limit", chunks: ["12345678901\n"], expected: ["12345678901\n"] },
    { name: "exactly the limit", chunks: ["123456789012\n"], expected: ["123456789012\n"] },
    {
      name: "exactly the limit, newline alone",
      chunks: ["123456789012", "\n"],
      expected: ["123456789012\n"],
    },
    {
      name: "one over the limit",
      chunks: ["1234567890123\nok\n"],
      expected: [{ tooLong: "1234567890123\n", ended: true }, "ok\n"],
    },
    {
      name: "one over the limit by its last chunk",
      chunks: ["123456789012", "3\nok\n"],
      expected: [{ tooLong: "1234567890123\n", ended: true }, "ok\n"],
    },
    {
      name: "over the limit before its newline",
      chunks: ["1234567890123", "45", "6\no", "k\n"],
      expected: [{ tooLong: "1234567890123456\n", ended: true }, "ok\n"],
    },
    {
      name: "two in a row that are too long",
      chunks: ["1234567890123", "\n1234567890123", "4\n"],
      expected: [{ tooLong: "1234567890123\n", ended: true }, { tooLong: "12345678901234\n", ended: true }],
    },
    { name: "blank lines", chunks: ["\n\n", "\n"], expected: ["\n", "\n", "\n"] },
    {
      name: "carriage returns are part of the line",
      chunks: ["a\r\nb\r", "\n\r\n"],
      expected: ["a\r\n", "b\r\n", "\r\n"],
    },
    { name: "nothing", chunks: [""], expected: [] },
  ]
) {
  it(name, () => {
    const { outcomes } = split(LIMIT, chunks.map((chunk) => Buffer.from(chunk)));
    assert.equal(withoutTicks(outcomes), expected);
  });
}

it("reports a line that lies whole in a chunk in place", () => {
  const chunk = Buffer.from("one\ntwo\nthr");
  const seen: [Buffer, number, number][] = [];
  const splitter = new LineSplitter(LIMIT, {
    line: (bytes, start, end) => seen.push([bytes, start, end]),
    tooLong: () => assert.unreachable(),
    dropped: () => assert.unreachable(),
  });
  splitter.push(chunk, 1);
  assert.equal(seen.map(([, start, end]) => [start, end]), [[0, 4], [4, 8]]);
  assert.ok(seen.every(([bytes]) => bytes === chunk));
  assert.is(splitter.held, 3);
});

it("forgets half a line when the stream ends, and can be used for no other one's beginning", () => {
  const { outcomes, unfinished } = split(LIMIT, [Buffer.from("half")]);
  assert.equal(outcomes, []);
  assert.ok(unfinished);
});

it("takes little more memory than the line for a line that comes byte by byte", () => {
  const length = 1024 * 1024;
  const lines: number[] = [];
  const splitter = new LineSplitter(length, {
    line: (_bytes, start, end) => lines.push(end - start),
    tooLong: () => assert.unreachable(),
    dropped: () => assert.unreachable(),
  });
  const before = process.memoryUsage();
  for (let i = 0; i < length; i++) splitter.push(Buffer.from(new Uint8Array([97])), 1);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  assert.is(splitter.held, length);
  // One million small buffers that are still referred to would be over 100 MB.
  const grown = heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers;
  assert.ok(grown < 64 * length, `${grown} bytes more`);
  splitter.push(Buffer.from("\n"), 2);
  assert.equal(lines, [length + 1]);
});

it.run();
