import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Slot } from "../../sidecar/protocol/keys.ts";
import { MAX_ID_BYTES } from "../../sidecar/relay/message-slots.ts";
import { type Flaw, MAX_DEPTH, MAX_METHOD_BYTES, StrictScanner } from "../../sidecar/relay/strict-scanner.ts";

const scanner = new StrictScanner();

function scan(line: string | Buffer): { flaw: Flaw | undefined; answerId: string } {
  const bytes = Buffer.from(line as string);
  return { flaw: scanner.scan(bytes, 0, bytes.length), answerId: scanner.answerId() };
}

function scanLenient(line: string | Buffer): { flaw: Flaw | undefined; answerId: string } {
  const bytes = Buffer.from(line as string);
  return { flaw: scanner.scanLenient(bytes, 0, bytes.length), answerId: scanner.answerId() };
}

/** A call whose params are these members; the id stands last, as the SDKs write it. */
const call = (params: string) => `{"method":"tools/call","params":{${params}},"jsonrpc":"2.0","id":7}`;
const withArgs = (args: string) => call(`"name":"echo","arguments":${args}`);
const withId = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
/** Latin-1 text as bytes: for what is not UTF-8. */
const raw = (text: string) => Buffer.from(text, "latin1");
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const keys = (count: number) => Array.from({ length: count }, (_, i) => `"key${i}":${i}`).join(",");

interface Case {
  readonly name: string;
  readonly line: string | Buffer;
  /** Undefined: it passes. */
  readonly flaw: Flaw | undefined;
  /** @default {"7"} */
  readonly answerId?: string;
}

const KEY_SMUGGLING: readonly Case[] = [
  { name: "name twice", line: call('"name":"a","name":"b"'), flaw: "duplicate-key" },
  { name: "name in another case", line: call('"name":"a","Name":"b"'), flaw: "folded-key" },
  { name: "name in another case alone", line: call('"NAME":"b"'), flaw: "folded-key" },
  { name: "long s in arguments", line: call('"name":"a","argumentſ":{}'), flaw: "folded-key" },
  {
    name: "Kelvin sign in progressToken",
    line: call('"name":"a","_meta":{"progressTo\u212aen":1}'),
    flaw: "folded-key",
  },
  { name: "dotted capital I in uri", line: call('"ur\u0130":"a"'), flaw: "folded-key" },
  { name: "dotless i in uri", line: call('"ur\u0131":"a"'), flaw: "folded-key" },
  { name: "NUL behind name", line: call('"name":"a","name\\u0000":"b"'), flaw: "folded-key" },
  { name: "NUL and more behind name", line: call('"name\\u0000x":"b"'), flaw: "folded-key" },
  { name: "NUL before anything", line: call('"name":"a","\\u0000":1'), flaw: "folded-key" },
  { name: "name with one letter escaped", line: call('"n\\u0061me":"a"'), flaw: "folded-key" },
  { name: "name twice, once escaped", line: call('"name":"a","n\\u0061me":"b"'), flaw: "folded-key" },
  {
    name: "look-alike in the envelope",
    line: '{"jsonrpc":"2.0","id":7,"method":"x","Method":"y"}',
    flaw: "folded-key",
  },
  {
    name: "look-alike siblings nobody reads",
    line: call('"name":"a","extra":1,"EXTRA":2'),
    flaw: "folded-key",
  },
  {
    name: "composed and decomposed siblings",
    line: withArgs('{"\u00e9":1,"e\u0301":2}'),
    flaw: "folded-key",
  },
  {
    name: "look-alike siblings in arguments",
    line: withArgs('{"path":"/ok","Path":"/etc"}'),
    flaw: "folded-key",
  },
  {
    name: "look-alike siblings deep in arguments pass",
    line: withArgs('{"env":{"path":1,"PATH":2}}'),
    flaw: undefined,
  },
  {
    name: "duplicates deep in arguments",
    line: withArgs('{"a":[{"b":{"c":1,"c":1}}]}'),
    flaw: "duplicate-key",
  },
  {
    name: "duplicates deep, once escaped",
    line: withArgs('{"a":{"c":1,"\\u0063":1}}'),
    flaw: "duplicate-key",
  },
  {
    name: "duplicates deep, both escaped",
    line: withArgs('{"a":{"\\u0063":1,"\\u0063":1}}'),
    flaw: "duplicate-key",
  },
  { name: "duplicates of no letters", line: withArgs('{"a":{"":1,"":1}}'), flaw: "duplicate-key" },
  { name: "duplicates beyond ASCII", line: withArgs('{"a":{"é":1,"\\u00e9":1}}'), flaw: "duplicate-key" },
  {
    name: "the same key in two objects passes",
    line: withArgs('{"a":{"b":1},"b":{"a":1,"b":2}}'),
    flaw: undefined,
  },
  { name: "underscore and DEL are two keys", line: withArgs('{"a_":1,"a\u007f":2}'), flaw: undefined },
  { name: "__proto__ in arguments", line: withArgs('{"__proto__":{"a":1}}'), flaw: "proto-key" },
  { name: "__proto__ deep", line: withArgs('{"a":[[{"__proto__":1}]]}'), flaw: "proto-key" },
  { name: "__proto__ escaped", line: withArgs('{"\\u005f_proto__":1}'), flaw: "proto-key" },
  {
    name: "__proto__ all escaped, deep",
    line: withArgs('{"a":{"\\u005f\\u005fproto\\u005F\\u005f":1}}'),
    flaw: "proto-key",
  },
  {
    name: "__proto__ in the envelope",
    line: '{"__proto__":{},"jsonrpc":"2.0","id":7,"method":"ping"}',
    flaw: "proto-key",
  },
  { name: "__proto__ in params", line: call('"__proto__":{"name":"b"}'), flaw: "proto-key" },
  { name: "__proto__ as a value passes", line: withArgs('{"a":"__proto__"}'), flaw: undefined },
  { name: "constructor passes", line: withArgs('{"constructor":{"prototype":1}}'), flaw: undefined },
  {
    name: "look-alike of a filter's key",
    line:
      '{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":{"ResourceSubscriptions":[]}}}',
    flaw: "folded-key",
  },
  {
    name: "look-alike in a reference",
    line: call('"ref":{"type":"ref/prompt","name":"a","Name":"b"}'),
    flaw: "folded-key",
  },
];

const MANY_KEYS: readonly Case[] = [24, 25, 26, 1000].flatMap((count) => [
  { name: `${count} keys`, line: withArgs(`{${keys(count)}}`), flaw: undefined },
  {
    name: `${count} keys, the first again`,
    line: withArgs(`{${keys(count)},"key0":1}`),
    flaw: "duplicate-key" as const,
  },
  {
    name: `${count} keys, one again, escaped`,
    line: withArgs(`{${keys(count)},"k\\u0065y3":1}`),
    flaw: "duplicate-key" as const,
  },
  {
    name: `${count} keys, one in another case`,
    line: withArgs(`{${keys(count)},"KEY3":1}`),
    flaw: "folded-key" as const,
  },
  {
    name: `${count} deep keys, one again`,
    line: withArgs(`{"a":{${keys(count)},"key9":1}}`),
    flaw: "duplicate-key" as const,
  },
  {
    name: `${count} deep keys, one in another case, pass`,
    line: withArgs(`{"a":{${keys(count)},"KEY9":1}}`),
    flaw: undefined,
  },
  {
    name: `${count} keys twice over, in siblings`,
    line: withArgs(`[{${keys(count)}},{${keys(count)}}]`),
    flaw: undefined,
  },
]);

const IDS: readonly Case[] = [
  { name: "id 0", line: withId("0"), flaw: undefined, answerId: "0" },
  { name: "id -1", line: withId("-1"), flaw: undefined, answerId: "-1" },
  { name: "id 2^53-1", line: withId("9007199254740991"), flaw: undefined, answerId: "9007199254740991" },
  { name: "id -(2^53-1)", line: withId("-9007199254740991"), flaw: undefined, answerId: "-9007199254740991" },
  { name: "id of letters", line: withId('"a-1"'), flaw: undefined, answerId: '"a-1"' },
  { name: "id of digits in quotes", line: withId('"1"'), flaw: undefined, answerId: '"1"' },
  { name: "id of nothing in quotes", line: withId('""'), flaw: undefined, answerId: '""' },
  { name: "id with an escape", line: withId('"\\u0061\\""'), flaw: undefined, answerId: '"a\\""' },
  ...[
    "null",
    "true",
    "{}",
    "[]",
    '{"a":1}',
    "1.5",
    "1.0",
    "1e1",
    "1e400",
    "-0",
    "9007199254740992",
    "9007199254740993",
  ]
    .map((id) => ({ name: `id ${id}`, line: withId(id), flaw: "id" as const, answerId: "null" })),
  { name: "id 01", line: withId("01"), flaw: "syntax", answerId: "null" },
  {
    name: "id twice, equal",
    line: '{"jsonrpc":"2.0","id":7,"id":7,"method":"ping"}',
    flaw: "duplicate-key",
    answerId: "null",
  },
  {
    name: "id twice, once escaped",
    line: '{"\\u0069d":6,"jsonrpc":"2.0","id":7,"method":"a"}',
    flaw: "folded-key",
    answerId: "null",
  },
  { name: "ID beside id", line: '{"jsonrpc":"2.0","id":7,"ID":8,"method":"ping"}', flaw: "folded-key" },
  {
    name: "id as long as it may be",
    line: withId(`"${"a".repeat(MAX_ID_BYTES - 2)}"`),
    flaw: undefined,
    answerId: `"${"a".repeat(MAX_ID_BYTES - 2)}"`,
  },
  {
    name: "id that is too long to keep",
    line: withId(`"${"a".repeat(MAX_ID_BYTES - 1)}"`),
    flaw: "id",
    answerId: "null",
  },
  { name: "id with half a character", line: withId('"\\ud83d"'), flaw: "surrogate", answerId: '"\\ud83d"' },
];

const BYTES: readonly Case[] = [
  { name: "UTF-8 byte order mark", line: raw(`\xef\xbb\xbf${call("")}`), flaw: "bom" },
  {
    name: "UTF-16 with its mark",
    line: Buffer.from(`\ufeff${call("")}`, "utf16le"),
    flaw: "bom",
    answerId: "null",
  },
  { name: "UTF-16 without", line: Buffer.from(call(""), "utf16le"), flaw: "syntax", answerId: "null" },
  ...[
    ["overlong slash", "\xc0\xaf"],
    ["overlong NUL", "\xc0\x80"],
    ["overlong in three bytes", "\xe0\x80\xaf"],
    ["surrogate", "\xed\xa0\xbd"],
    ["beyond Unicode", "\xf4\x90\x80\x80"],
    ["lone continuation", "\x80"],
    ["cut character", "\xe2\x82"],
    ["byte that never is", "\xff"],
  ].flatMap(([what, bytes]) => [
    { name: `${what} in a string`, line: raw(withArgs(`{"a":"${bytes}"}`)), flaw: "utf8" as const },
    {
      name: `${what} far into a string`,
      line: raw(withArgs(`{"a":"${"x".repeat(99)}${bytes}"}`)),
      flaw: "utf8" as const,
    },
    { name: `${what} in a key`, line: raw(withArgs(`{"${bytes}":1}`)), flaw: "utf8" as const },
    {
      name: `${what} before an escape in a key`,
      line: raw(withArgs(`{"${bytes}\\n":1}`)),
      flaw: "utf8" as const,
    },
  ]),
  {
    name: "bad byte in the id",
    line: raw('{"jsonrpc":"2.0","method":"ping","id":"\xff"}'),
    flaw: "utf8",
    answerId: "null",
  },
  {
    name: "bad byte between members",
    line: raw(`{"a":1,\xe9${call("").slice(1)}`),
    flaw: "syntax",
    answerId: "7",
  },
  {
    name: "no-break space between members",
    line: `{\u00a0${call("").slice(1)}`,
    flaw: "syntax",
    answerId: "7",
  },
  { name: "characters of four bytes", line: withArgs('{"😀":"😀"}'), flaw: undefined },
  { name: "line separators in a string", line: withArgs('{"a":"\u2028\u2029\u0085"}'), flaw: undefined },
];

const TWO_IN_ONE: readonly Case[] = [
  { name: "two messages", line: `${withId("7")}${withId("8")}`, flaw: "trailing" },
  { name: "two messages, a blank between", line: `${withId("7")} ${withId("8")}`, flaw: "trailing" },
  { name: "a bracket too many", line: `${withId("7")}}`, flaw: "trailing" },
  { name: "a comma behind", line: `${withId("7")},`, flaw: "trailing" },
  // Python's text streams, Java's and C#'s readLine and node's readline end a line at a carriage return.
  { name: "a message between carriage returns", line: withArgs(`[\r${withId("8")}\r]`), flaw: "trailing" },
  { name: "a carriage return behind a brace", line: `{\r${withId("7").slice(1)}`, flaw: "trailing" },
  { name: "a carriage return before a colon", line: withArgs('{"a"\r:1}'), flaw: "trailing" },
  { name: "a carriage return in an empty object", line: withArgs("{\r}"), flaw: "trailing" },
  {
    name: "a carriage return between two messages",
    line: `${withId("7")}\r${withId("8")}`,
    flaw: "trailing",
  },
  { name: "a carriage return in a string", line: withArgs('{"a":"\r"}'), flaw: "trailing" },
  { name: "a carriage return at the end", line: `${withId("7")}\r\n`, flaw: undefined },
  { name: "blanks around", line: ` \t${withId("7")} \t\r\n`, flaw: undefined },
  {
    name: "blanks everywhere",
    line: '{ "jsonrpc" : "2.0" ,\t"id" :7 , "method" : "a" , "params" : { "b" : [ ] , "c":{ } } }',
    flaw: undefined,
  },
  { name: "a batch", line: `[${withId("7")}]`, flaw: "batch", answerId: "null" },
  { name: "an empty batch", line: "[]", flaw: "batch", answerId: "null" },
];

const DEPTH: readonly Case[] = [
  // The message, its params and arguments are three of them.
  { name: "as deep as it may be", line: withArgs(nested(MAX_DEPTH - 2)), flaw: undefined },
  { name: "one deeper", line: withArgs(nested(MAX_DEPTH - 1)), flaw: "depth" },
  { name: "10,000 deep", line: withArgs(nested(10_000)), flaw: "depth" },
  {
    name: "10,000 deep in objects",
    line: withArgs('{"a":'.repeat(10_000) + "1" + "}".repeat(10_000)),
    flaw: "depth",
  },
  { name: "10,000 deep and never closed", line: `{"id":7,"a":${"[".repeat(10_000)}`, flaw: "depth" },
  { name: "10,000 brackets without a message", line: "{".repeat(10_000), flaw: "syntax", answerId: "null" },
];

const SURROGATES: readonly Case[] = [
  { name: "in a key", line: withArgs('{"\\ud83d":1}'), flaw: "surrogate" },
  { name: "the second half, in a key", line: withArgs('{"a":{"\\ude00":1}}'), flaw: "surrogate" },
  { name: "two first halves, in a key", line: withArgs('{"\\ud83d\\ud83d\\ude00":1}'), flaw: "surrogate" },
  { name: "both halves, in a key", line: withArgs('{"\\ud83d\\ude00":1}'), flaw: undefined },
  { name: "in the method", line: '{"jsonrpc":"2.0","id":7,"method":"\\ud83d"}', flaw: "surrogate" },
  { name: "in the name", line: call('"name":"\\ud83d"'), flaw: "surrogate" },
  { name: "in a URI", line: call('"uri":"file:///\\udc00"'), flaw: "surrogate" },
  {
    name: "in an unknown member of the envelope",
    line: '{"jsonrpc":"2.0","id":7,"method":"x","y":"\\udc00"}',
    flaw: "surrogate",
  },
  { name: "in an argument passes", line: withArgs('{"a":"cut \\ud83d","b":["\\ude00"]}'), flaw: undefined },
  {
    name: "in a cancellation's reason passes",
    line: call('"requestId":1,"reason":"cut \\ud83d"'),
    flaw: undefined,
  },
];

const SYNTAX: readonly Case[] = [
  "01",
  "-01",
  "+1",
  ".5",
  "1.",
  "1.e5",
  "1e",
  "1e+",
  "-",
  "--1",
  "0x10",
  "1_000",
  "1.5.5",
  "NaN",
  "Infinity",
  "١",
  "tru",
  "nul",
  "True",
  "falsee",
  "nulll",
  "undefined",
  "t",
  "'a'",
  "a",

  '"\t"',
  '"\u0000"',
  '"\u001f"',
  '"\\x"',
  '"\\u12g4"',
  '"\\u123"',
  '"\\U0041"',
  '"\\',
  '"',
  '"a',
  '"\\"',

  "[1,]",
  "[,1]",
  "[1 2]",
  "[",
  "]",
  "[}",
  "{]",
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  "{,}",
  '{"a" 1}',
  "{a:1}",
  "{1:1}",
  "",
  "{'a':1}",
  "/* */1",
  "1//",
  '{"a":1 "b":2}',
  "\u000b1",
  "\u000c1",
  "\ufeff1",
].map((value) => ({
  name: value === "" ? "no value" : JSON.stringify(value).slice(1, -1),
  line: `{"jsonrpc":"2.0","method":"x","a":${value}}`,
  flaw: "syntax" as const,
  answerId: "null",
}));

const GOOD_VALUES: readonly Case[] = [
  "0",
  "-0",
  "10",
  "-1.5",
  "1e5",
  "1E+5",
  "1e-5",
  "0.0e0",
  "1e400",
  "true",
  "false",
  "null",
  '""',
  "[]",
  "{}",
  "[ ]",
  "{ }",

  '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"',
  '"\u007f"',
  "[[],{},[{}]]",
  '[1,"a",null,{"a":[true]}]',
  '"\\u0000"',
].map((value) => ({ name: value, line: withArgs(`{"a":${value}}`), flaw: undefined }));

const SHAPES: readonly Case[] = [
  { name: "no version", line: '{"id":7,"method":"ping"}', flaw: "shape" },
  { name: "version 1.0", line: '{"jsonrpc":"1.0","id":7,"method":"ping"}', flaw: "shape" },
  { name: "version as a number", line: '{"jsonrpc":2.0,"id":7,"method":"ping"}', flaw: "shape" },
  { name: "version with an escape", line: '{"jsonrpc":"2\\u002e0","id":7,"method":"ping"}', flaw: "shape" },
  { name: "an empty object", line: "{}", flaw: "shape", answerId: "null" },
  { name: "a string", line: '"a"', flaw: "not-an-object", answerId: "null" },
  { name: "a number", line: "1", flaw: "not-an-object", answerId: "null" },
  { name: "null", line: "null", flaw: "not-an-object", answerId: "null" },
  { name: "nothing", line: " ", flaw: "syntax", answerId: "null" },
  { name: "a method that is a number", line: '{"jsonrpc":"2.0","id":7,"method":1}', flaw: "method" },
  { name: "a method that is null", line: '{"jsonrpc":"2.0","id":7,"method":null}', flaw: "method" },
  {
    name: "a method that is too long to keep",
    line: `{"jsonrpc":"2.0","id":7,"method":"${"m".repeat(MAX_METHOD_BYTES - 1)}"}`,
    flaw: "method",
  },
  { name: "params as an array", line: '{"jsonrpc":"2.0","id":7,"method":"a","params":[]}', flaw: "params" },
  { name: "params as null", line: '{"jsonrpc":"2.0","id":7,"method":"a","params":null}', flaw: "params" },
  { name: "method and result", line: '{"jsonrpc":"2.0","id":7,"method":"a","result":{}}', flaw: "shape" },
  { name: "result and error", line: '{"jsonrpc":"2.0","id":7,"result":{},"error":{}}', flaw: "shape" },
  { name: "result without an id", line: '{"jsonrpc":"2.0","result":{}}', flaw: "shape", answerId: "null" },
  { name: "result with params", line: '{"jsonrpc":"2.0","id":7,"result":{},"params":{}}', flaw: "shape" },
  { name: "neither method nor result", line: '{"jsonrpc":"2.0","id":7}', flaw: "shape" },
  { name: "a notification", line: '{"jsonrpc":"2.0","method":"a"}', flaw: undefined, answerId: "null" },
  { name: "a result", line: '{"jsonrpc":"2.0","id":7,"result":{}}', flaw: undefined },
  { name: "an error", line: '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}', flaw: undefined },
  {
    name: "members that nobody knows",
    line: '{"x":{"y":[1]},"jsonrpc":"2.0","id":7,"method":"a","z":null}',
    flaw: undefined,
  },
];

/** What a server may say, and how it may not. */
const LENIENT: readonly Case[] = [
  {
    name: "duplicates deep in a result pass",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":{"b":1,"b":2}}}',
    flaw: undefined,
  },
  {
    name: "duplicates nobody reads pass",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}',
    flaw: undefined,
  },
  {
    name: "deep __proto__ passes",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":{"__proto__":1}}}',
    flaw: undefined,
  },
  {
    name: "10,000 deep passes",
    line: `{"jsonrpc":"2.0","id":7,"result":{"a":${nested(10_000)}}}`,
    flaw: undefined,
  },
  {
    name: "an error's text with half a character",
    line: '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"\\ud83d"}}',
    flaw: undefined,
  },
  {
    name: "a result's text with half a character",
    line: '{"jsonrpc":"2.0","id":7,"result":{"instructions":"\\ud83d"}}',
    flaw: undefined,
  },
  {
    name: "inputRequests twice",
    line: '{"jsonrpc":"2.0","id":7,"result":{"inputRequests":{},"inputRequests":{}}}',
    flaw: "duplicate-key",
  },
  {
    name: "inputRequests in another case",
    line: '{"jsonrpc":"2.0","id":7,"result":{"InputRequests":{}}}',
    flaw: "folded-key",
  },
  {
    name: "inputRequests escaped",
    line: '{"jsonrpc":"2.0","id":7,"result":{"\\u0069nputRequests":{}}}',
    flaw: "folded-key",
  },
  {
    name: "tools twice",
    line: '{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[]}}',
    flaw: "duplicate-key",
  },
  {
    name: "__proto__ of a result",
    line: '{"jsonrpc":"2.0","id":7,"result":{"__proto__":{"inputRequests":{}}}}',
    flaw: "proto-key",
  },
  {
    name: "an error's code in another case",
    line: '{"jsonrpc":"2.0","id":7,"error":{"code":1,"Code":-32042}}',
    flaw: "folded-key",
  },
  {
    name: "a notification's uri in another case",
    line: '{"jsonrpc":"2.0","method":"a","params":{"uri":"a","URI":"b"}}',
    flaw: "folded-key",
    answerId: "null",
  },
  { name: "method twice", line: '{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}', flaw: "duplicate-key" },
  {
    name: "anything twice in the envelope",
    line: '{"jsonrpc":"2.0","id":7,"result":{},"x":1,"x":1}',
    flaw: "duplicate-key",
  },
  { name: "id in another case", line: '{"jsonrpc":"2.0","id":7,"Id":8,"result":{}}', flaw: "folded-key" },
  {
    name: "id null",
    line: '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
    flaw: "id",
    answerId: "null",
  },
  { name: "a batch", line: "[]", flaw: "batch", answerId: "null" },
  { name: "log text", line: "Server is listening", flaw: "syntax", answerId: "null" },
  {
    name: "a result that never closes",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":[1}',
    flaw: "syntax",
    answerId: "7",
  },
  {
    name: "a string that never closes",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":["}}',
    flaw: "syntax",
    answerId: "7",
  },
  {
    name: "a message between carriage returns",
    line: `{"jsonrpc":"2.0","id":7,"result":{"a":[\r${withId("8")}\r]}}`,
    flaw: "trailing",
  },
  {
    name: "a carriage return in a string",
    line: '{"jsonrpc":"2.0","id":7,"result":{"a":["\r"]}}',
    flaw: "trailing",
  },
  ...[0, 30, 44, 45, 46, 47, 48, 49, 60].flatMap((before) =>
    ["\r", "\\\r", "\\\\\r"].map((end) => ({
      name: `${JSON.stringify(end)} behind ${before} letters of a string`,
      line: `{"jsonrpc":"2.0","id":7,"result":{"a":["${"a".repeat(before)}${end}b"]}}`,
      flaw: "trailing" as const,
    }))
  ),
  { name: "a carriage return at the end", line: '{"jsonrpc":"2.0","id":7,"result":{}}\r\n', flaw: undefined },
];

const it = suite("StrictScanner");

for (
  const [group, cases] of Object.entries({
    "smuggled keys": KEY_SMUGGLING,
    "many keys": MANY_KEYS,
    ids: IDS,
    bytes: BYTES,
    "two in one": TWO_IN_ONE,
    depth: DEPTH,
    "half a character": SURROGATES,
    syntax: SYNTAX,
    "good values": GOOD_VALUES,
    shapes: SHAPES,
  })
) {
  for (const { name, line, flaw, answerId = "7" } of cases) {
    it(`${group}: ${name}`, () => assert.equal(scan(line), { flaw, answerId }));
  }
}
for (const { name, line, flaw, answerId = "7" } of LENIENT) {
  it(`from the server: ${name}`, () => assert.equal(scanLenient(line), { flaw, answerId }));
}

it("searches a buffer for carriage returns line by line", () => {
  const lines = [
    '{"jsonrpc":"2.0","id":1,"result":{}}\n',
    '{"jsonrpc":"2.0","id":2,"result":{"a":{\r}}}\n',
    '{"jsonrpc":"2.0","id":3,"result":{}}\n',
  ];
  const bytes = Buffer.from(lines.join(""));
  let start = 0;
  const flaws = lines.map((line) => {
    const flaw = scanner.scanLenient(bytes, start, start + line.length);
    start += line.length;
    return flaw;
  });
  assert.equal(flaws, [undefined, "trailing", undefined]);
  // And again, from the beginning: the search must not start where it ended.
  assert.is(
    scanner.scanLenient(bytes, (lines[0] as string).length, (lines[0] + (lines[1] as string)).length),
    "trailing",
  );
});

it("leaves nothing of one line to the next", () => {
  scan(withArgs('{"a":1,"b":2}'));
  assert.equal(scanner.argumentKeys, ["a", "b"]);
  scan('{"jsonrpc":"2.0","id":"x","result":{}}');
  assert.equal(scanner.argumentKeys, []);
  for (const slot of [Slot.method, Slot.params, Slot.name, Slot.arguments]) {
    assert.equal([scanner.has(slot), scanner.start(slot), scanner.end(slot), scanner.first(slot)], [
      false,
      0,
      0,
      0,
    ]);
    assert.is(scanner.text(slot), undefined);
  }
  scan('{"broken":');
  assert.is(scanner.has(Slot.id), false);
});

it("tells a peer's slots apart from what looks like them deeper", () => {
  scan(withArgs('{"name":"deep","arguments":{"name":"deeper"},"method":"m","id":3}'));
  assert.is(scanner.text(Slot.name), "echo");
  assert.is(scanner.text(Slot.method), "tools/call");
  assert.is(scanner.id(Slot.id), 7);
  assert.equal(scanner.argumentKeys, ["name", "arguments", "method", "id"]);
});

it("reads text with escapes, and argument keys as they are meant", () => {
  scan(call('"name":"\\u0065ch\\u006f","arguments":{"\\u0061":1,"é":2}'));
  assert.is(scanner.text(Slot.name), "echo");
  assert.equal(scanner.argumentKeys, ["a", "é"]);
});

it("finds the requests that hide in a result and in a task's notification", () => {
  scanLenient(
    '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}',
  );
  assert.ok(scanner.has(Slot.inputRequests));
  scanLenient(
    '{"jsonrpc":"2.0","method":"notifications/tasks","params":{"inputRequests":{"a":{"method":"roots/list"}}}}',
  );
  assert.ok(scanner.has(Slot.inputRequests));
});

for (
  const { number, inexact } of [
    { number: "1", inexact: false },
    { number: "123456789012345", inexact: false },
    { number: "0.5", inexact: false },
    { number: "9007199254740993", inexact: true },
    { number: "1e400", inexact: true },
    { number: "0.1000000000000000055", inexact: true },
  ]
) {
  it(`says that ${number} ${inexact ? "may" : "cannot"} be more than a double holds`, () => {
    assert.is(scan(withArgs(`{"a":${number}}`)).flaw, undefined);
    assert.is(scanner.inexact, inexact);
    scan(withArgs("{}"));
    assert.is(scanner.inexact, false);
  });
}

it.run();
