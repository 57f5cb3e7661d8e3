/**
 * What the scan of a line costs, beside JSON.parse of the same line: `npx tsx test/bench/micro/scan.ts [--json]`.
 *
 * Medians of interleaved rounds. Nothing is asserted: machines differ, the ratio is what to look at.
 */
import { Buffer } from "node:buffer";
import { StrictScanner } from "../../../sidecar/relay/strict-scanner.ts";

const ROUNDS = 21;
/** Bytes that one round of one subject works through. */
const ROUND_BYTES = 4 * 1024 * 1024;

interface Result {
  readonly line: string;
  readonly bytes: number;
  readonly scanNs: number;
  readonly parseNs: number;
  readonly ratio: number;
  readonly scanUsPerMiB: number;
}

function call(args: unknown): string {
  const params = { name: "read_text_file", arguments: args };
  return JSON.stringify({ method: "tools/call", params, jsonrpc: "2.0", id: 7 });
}

const text = "The quick brown fox jumps over the lazy dog, and reads what it finds there. ";
const records = (count: number) =>
  Array.from(
    { length: count },
    (_, i) => ({ id: i, name: `entry ${i}`, size: i * 17.5, isDirectory: false }),
  );
const wide = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`argument${i}`, i]));

const REQUESTS: Readonly<Record<string, string>> = {
  "call, 200 B": call({
    path: "/home/someone/project/source/file.ts",
    head: 20,
    tail: null,
    encoding: "utf-8",
  }),
  "call, 2 KiB": call({ path: "/home/someone/notes.md", content: text.repeat(24) }),
  "one string, 1 MiB": call({ content: text.repeat(13_800) }),
  "escaped text, 1 MiB": call({ content: `${text}\n\t"quoted"\n`.repeat(11_000) }),
  "records, 1 MiB": call({ records: records(16_000) }),
  "numbers, 1 MiB": call({ numbers: Array.from({ length: 150_000 }, (_, i) => i * 31) }),
  "40,000 arguments, 0.8 MiB": call(wide),
};
const ANSWERS: Readonly<Record<string, string>> = {
  "answer, 120 B": JSON.stringify({
    result: { content: [{ type: "text", text: "hello" }] },
    jsonrpc: "2.0",
    id: 7,
  }),
  "answer, 1 MiB of text": JSON.stringify({
    result: { content: [{ type: "text", text: text.repeat(13_800) }] },
    jsonrpc: "2.0",
    id: 7,
  }),
  "answer, 1 MiB of records": JSON.stringify({
    result: { structuredContent: records(16_000) },
    jsonrpc: "2.0",
    id: 7,
  }),
};

function measure(title: string, line: string, lenient: boolean): Result {
  const bytes = Buffer.from(`${line}\n`);
  const scanner = new StrictScanner();
  const repeat = Math.max(1, Math.floor(ROUND_BYTES / bytes.length));
  const subjects = [
    () => lenient ? scanner.scanLenient(bytes, 0, bytes.length) : scanner.scan(bytes, 0, bytes.length),
    () => JSON.parse(bytes.toString("utf8")) as unknown,
  ] as const;
  if (subjects[0]() !== undefined) throw new Error(`The scanner refuses '${title}'`);
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const which of round % 2 === 0 ? [0, 1] as const : [1, 0] as const) {
      const begun = performance.now();
      for (let i = 0; i < repeat; i++) subjects[which]();
      times[which].push((performance.now() - begun) * 1e6 / repeat);
    }
  }
  const [scanNs, parseNs] = [median(times[0]), median(times[1])];
  const scanUsPerMiB = scanNs / 1000 / (bytes.length / 1024 / 1024);
  return { line: title, bytes: bytes.length, scanNs, parseNs, ratio: scanNs / parseNs, scanUsPerMiB };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

const results = [
  ...Object.entries(REQUESTS).map(([title, line]) => measure(title, line, false)),
  ...Object.entries(ANSWERS).map(([title, line]) => measure(title, line, true)),
];
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else {
  console.table(Object.fromEntries(results.map(({ line, bytes, scanNs, parseNs, ratio, scanUsPerMiB }) => [
    line,
    {
      bytes,
      "scan ns": Math.round(scanNs),
      "parse ns": Math.round(parseNs),
      ratio: ratio.toFixed(2),
      "scan µs/MiB": Math.round(scanUsPerMiB),
    },
  ])));
}
