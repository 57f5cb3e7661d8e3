/**
 * Lines that parsers read differently, or not at all: each gets its answer, never reaches the server, is recorded, and
 * the session goes on.
 */
import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { messageOf } from "../../sidecar/model/errors.ts";
import { limited } from "../harness.ts";
import { errorOf, type PuppetGuard, withPuppet } from "./puppet.ts";

interface Hostile {
  readonly name: string;
  readonly line: string | Uint8Array;
  readonly code?: number;
  /** @default {7, the one valid id that the line says} */
  readonly id?: unknown;
}

const INVALID = -32600;
const NOT_JSON = -32700;

const call = (params: string) => `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":${params}}`;
const withId = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo"}}`;
const GOOD = withId("7");
const BEGUN = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo';
/** What could be read of the id before the line went wrong: the id or null, and never another. */
const anyId = (id: unknown) => id === 7 || id === null;

/** Smuggling: what one parser takes for the tool's name, another does not see. */
const KEYS: readonly Hostile[] = [
  { name: "the name twice", line: call('{"name":"echo","name":"hold"}') },
  { name: "the arguments twice", line: call('{"name":"echo","arguments":{"a":1},"arguments":{"a":2}}') },
  { name: "one argument twice", line: call('{"name":"echo","arguments":{"a":1,"a":2}}') },
  { name: "a key twice, deep down", line: call('{"name":"echo","arguments":{"a":[{"b":{"c":1,"c":2}}]}}') },
  { name: "'Name' beside the name", line: call('{"name":"echo","Name":"hold"}') },
  { name: "'Name' in place of the name", line: call('{"Name":"hold"}') },
  { name: "'NAME' before the name", line: call('{"NAME":"hold","name":"echo"}') },
  { name: "'argumentſ' with a long s", line: call('{"name":"echo","argumentſ":{"a":2}}') },
  { name: "'argument\\u017f', escaped", line: call('{"name":"echo","argument\\u017f":{"a":2}}') },
  {
    name: "'progressTo\u212aen' with a Kelvin sign",
    line: call('{"name":"echo","_meta":{"progressTo\u212aen":1}}'),
  },
  { name: "a name that ends at a NUL", line: call('{"name":"echo","name\\u0000":"hold"}') },
  { name: "a name cut by a NUL", line: call('{"name":"echo","name\\u0000x":"hold"}') },
  { name: "the name again, by an escape", line: call('{"name":"echo","n\\u0061me":"hold"}') },
  { name: "__proto__ in the parameters", line: call('{"name":"echo","__proto__":{"name":"hold"}}') },
  { name: "__proto__ in the arguments", line: call('{"name":"echo","arguments":{"__proto__":{"a":1}}}') },
  { name: "__proto__, by an escape", line: call('{"name":"echo","\\u005f_proto__":{"name":"hold"}}') },
  { name: "__proto__ in the envelope", line: `{"__proto__":{},${GOOD.slice(1)}` },
  { name: "the method twice", line: `{"method":"ping",${GOOD.slice(1)}` },
  { name: "'Method' beside the method", line: `{"Method":"ping",${GOOD.slice(1)}` },
  { name: "the parameters twice", line: `{"params":{"name":"hold"},${GOOD.slice(1)}` },
  { name: "the id twice", line: `{"id":8,${GOOD.slice(1)}`, id: null },
  { name: "'Id' beside the id", line: `{"Id":8,${GOOD.slice(1)}` },
  { name: "two arguments that differ by case", line: call('{"name":"echo","arguments":{"to":1,"To":2}}') },
  { name: "half a surrogate pair in the name", line: call('{"name":"echo\\ud800"}') },
];

const IDS: readonly Hostile[] = [
  "null",
  "1.5",
  "1e400",
  "9007199254740993",
  "-9007199254740993",
  "1e2",
  "1.0",
  "true",
  "[7]",
  '{"a":7}',
].map((id) => ({ name: `the id ${id}`, line: withId(id), id: null }));

const SHAPES: readonly Hostile[] = [
  { name: "a batch", line: `[${GOOD}]`, id: null },
  { name: "an empty batch", line: "[]", id: null },
  { name: "an empty object", line: "{}", id: null },
  { name: "a string", line: '"ping"', id: null },
  { name: "no version", line: '{"id":7,"method":"ping"}' },
  { name: "version 1.0", line: '{"jsonrpc":"1.0","id":7,"method":"ping"}' },
  { name: "a number as method", line: '{"jsonrpc":"2.0","id":7,"method":1}' },
  { name: "an array as parameters", line: '{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}' },
  { name: "a request that is an answer, too", line: '{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}' },
];

const BYTES: readonly Hostile[] = [
  { name: "a byte order mark", line: `\ufeff${GOOD}`, id: anyId },
  {
    name: "invalid UTF-8 in a value",
    line: bytes(BEGUN, [0xff], '"}}'),
  },
  {
    name: "an overlong slash",
    line: bytes('{"jsonrpc":"2.0","id":7,"method":"tools', [0xc0, 0xaf], 'call"}'),
  },
  { name: "a surrogate in UTF-8", line: bytes(BEGUN, [0xed, 0xa0, 0x80], '"}}') },
  {
    name: "a raw NUL in a string",
    line: bytes(BEGUN, [0], '"}}'),
    code: NOT_JSON,
    id: anyId,
  },
  { name: "two messages in one line", line: `${GOOD}${withId("8")}`, id: anyId },
  { name: "two messages with a blank between", line: `${GOOD} ${withId("8")}`, id: anyId },
  { name: "no JSON", line: "hello", code: NOT_JSON, id: null },
  { name: "half an object", line: GOOD.slice(0, -1), code: NOT_JSON, id: anyId },
  { name: "a comma too many", line: call('{"name":"echo",}'), code: NOT_JSON, id: anyId },
  { name: "a comment", line: call('{"name":"echo"/**/}'), code: NOT_JSON, id: anyId },
  { name: "single quotes", line: call("{'name':'echo'}"), code: NOT_JSON, id: anyId },
  { name: "a leading zero", line: call('{"name":"echo","arguments":{"a":01}}'), code: NOT_JSON, id: anyId },
  { name: "NaN", line: call('{"name":"echo","arguments":{"a":NaN}}'), code: NOT_JSON, id: anyId },
];

const SIZES: readonly Hostile[] = [
  {
    name: "10,000 brackets",
    line: call(`{"name":"echo","arguments":{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`),
  },
  { name: "10,000 braces that never close", line: `${BEGUN}","a":${'{"a":'.repeat(10_000)}`, id: anyId },
  {
    name: "129 levels",
    line: call(`{"name":"echo","arguments":{"a":${"[".repeat(126)}${"]".repeat(126)}}}`),
  },
  { name: "9 MiB, the id first", line: call(`{"name":"echo","arguments":{"a":"${"x".repeat(9 << 20)}"}}`) },
  { name: "9 MiB, the id last", line: idLast(9) },
  { name: "11 MiB, the id last", line: idLast(11) },
  { name: "9 MiB without an id", line: "x".repeat(9 << 20), id: null },
];

function bytes(...parts: readonly (string | readonly number[])[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => typeof part === "string" ? Buffer.from(part) : Buffer.from([...part])),
  );
}

function idLast(mebibytes: number): string {
  const filler = "x".repeat(mebibytes << 20);
  return `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"a":"${filler}"}},"id":7}`;
}

const it = suite("hostile lines");

for (
  const [title, table] of [
    ["smuggled keys", KEYS],
    ["ids that are none", IDS],
    ["things that are no message", SHAPES],
    ["bytes that are not one line of JSON", BYTES],
    ["too much of it", SIZES],
  ] as const
) {
  it(
    `${title}: refused, unseen by the server, recorded, and the session goes on`,
    limited(60_000, () =>
      withPuppet({}, async (guard) => {
        const problems: string[] = [];
        for (const hostile of table) {
          try {
            await tryOne(guard, hostile);
          } catch (error) {
            problems.push(`${hostile.name}: ${messageOf(error)}`);
          }
        }
        assert.equal(problems, []);
      })),
  );
}

/** Sends the line between two that are sound. */
async function tryOne(guard: PuppetGuard, { line, code = INVALID, id = 7 }: Hostile): Promise<void> {
  const before = guard.received().length;
  guard.send(line);
  const answer = await guard.receive((message) => "error" in message);
  const error = errorOf(answer);
  assert.is(error.code, code, error.message);
  const said = answer["id"];
  if (typeof id === "function") assert.ok(id(said), `the id is ${String(said)}`);
  else assert.is(said, id);

  await guard.request("ping");
  const methods = guard.received().slice(before).map((it) => JSON.parse(it).method);
  assert.equal(methods, ["ping"]);

  const refusal = /\(mcp-guard (\S+)\)$/.exec(error.message)?.[1];
  const record = guard.audit().find((it) => it["refusal"] === refusal);
  assert.is(record?.["type"], "decision", `no record of the refusal in: ${error.message}`);
  assert.is(record?.["effect"], "deny");
  assert.match(String(record?.["reason"]), /^ERR_FRAME_/);
}

it(
  "blank lines, and a carriage return before the newline, are nobody's business",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.write('\n\r\n  \t\n{"jsonrpc":"2.0","id":"crlf","method":"ping"}\r\n');
      const answer = await guard.receive((message) => message["id"] === "crlf");
      assert.equal(answer, { jsonrpc: "2.0", id: "crlf", result: {} });
      await guard.request("ping");
      assert.is(guard.lines.length, 3, guard.lines.join("\n"));
    })),
);

it(
  "what is odd and sound passes as the bytes that came",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const lines = [
        '{ "id" : "\\u00e4\\/" , "method":"tools\\/call", "jsonrpc":"2.0", "params": {"name":"echo","arguments":' +
        '{"n":1e400,"m":1.0,"deep":{"Accept":1,"accept":2,"name":3},"half":"\\ud83d","_":"\u2028"}} , "x":[] }',
        '{"jsonrpc":"2.0","id":-9007199254740991,"method":"ping","params":{"_meta":{"vendor.example/a":{"a":1,"A":2}}}}',
        '{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"echo"}}',
        '{"jsonrpc":"2.0","id":"","method":"ping"}',
      ];
      for (const line of lines) guard.send(line);
      for (const id of ["ä/", -9007199254740991, 0, ""]) {
        await guard.receive((message) => message["id"] === id && "result" in message);
      }
      assert.equal(guard.received().slice(2).toSorted(), lines.toSorted());
    })),
);

it.run();
