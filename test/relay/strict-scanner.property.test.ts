import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Slot } from "../../sidecar/protocol/keys.ts";
import { StrictScanner } from "../../sidecar/relay/strict-scanner.ts";
import { referenceAccepts } from "./reference.ts";

const scanner = new StrictScanner();
const accepts = (line: Uint8Array) => scanner.scan(Buffer.from(line), 0, line.length) === undefined;

/** JSON text that is not always honest: keys twice, keys alike, spelled with escapes, blanks in between. */
const KEYS = [
  ..."name Name NAME ſname naſme arguments Arguments uri _meta params Params id Id method result error jsonrpc"
    .split(" "),
  ..."a A b k \u212a s ſ é É e\u0301 __proto__ __PROTO__ name\0 name\0x progressToken ref type".split(" "),
  "io.modelcontextprotocol/protocolVersion",
  "resourceSubscriptions",
  "ResourceSubscriptions",
  "",
];
const escapeAll = (text: string) =>
  text.split("").map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
const key = fc.tuple(fc.constantFrom(...KEYS), fc.integer({ min: 0, max: 19 })).map(([text, spelling]) => {
  const literal = JSON.stringify(text);
  return spelling === 0 ? `"${escapeAll(text)}"` : spelling === 1 ? literal.replace("n", "\\u006e") : literal;
});
const blank = fc.constantFrom("", "", "", "", " ", "\t", " \t ", "\r");
const scalar = fc.oneof(
  fc.constantFrom(
    "true",
    "false",
    "null",
    "0",
    "-0",
    "1.5",
    "1e400",
    '""',
    '"\\ud83d"',
    '"\\ud83d\\ude00"',
    '"x"',
  ),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
  fc.constantFrom("tru", "01", "+1", ".5", "1.", "1e", "-", "nul", '"\\x"', '"\t"', "'a'", ""),
);
/** Mostly good scalars: else hardly any line would be accepted. */
const mostlyGood = fc.oneof({ weight: 60, arbitrary: fc.constantFrom("1", '"y"', "null") }, {
  weight: 12,
  arbitrary: scalar,
});
const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ depthSize: "small", withCrossShrink: true }, mostlyGood, tie("object"), tie("array")),
  object: fc.array(fc.tuple(blank, key, blank, tie("value")), { maxLength: 5 })
    .map((members) => `{${members.map(([a, k, b, v]) => `${a}${k}:${b}${v}`).join(",")}}`),
  array: fc.array(tie("value"), { maxLength: 4 }).map((elements) => `[${elements.join(",")}]`),
}));
const members = fc.array(fc.tuple(key, value), { maxLength: 4 })
  .map((list) => list.map(([k, v]) => `${k}:${v}`));
const id = fc.constantFrom(
  "1",
  "0",
  "-7",
  '"a"',
  "9007199254740991",
  "9007199254740992",
  "1.0",
  "null",
  "{}",
  "",
);
const shapes = fc.tuple(
  members,
  members,
  members,
  members,
  id,
  fc.constantFrom("method", "result", "error", "none"),
);
const message = shapes.chain(([outer, params, meta, args, idText, kind]) => {
  const inner = [...params, `"_meta":{${meta.join(",")}}`, `"arguments":{${args.join(",")}}`];
  const own = kind === "method"
    ? [`"method":"tools/call"`, `"params":{${inner.join(",")}}`]
    : [`"${kind}":{}`];
  const parts = [`"jsonrpc":"2.0"`, ...(idText === "" ? [] : [`"id":${idText}`]), ...own, ...outer];
  return fc.shuffledSubarray(parts, { minLength: parts.length });
}).map((parts) => `{${parts.join(",")}}`);

const it = suite("StrictScanner, any input");

it("accepts what a slow reference accepts, and nothing else", () => {
  let accepted = 0;
  fc.assert(
    fc.property(message, (line) => {
      const bytes = Buffer.from(line);
      const expected = referenceAccepts(bytes);
      if (expected) accepted++;
      assert.is(accepts(bytes), expected);
    }),
    { numRuns: 2500 },
  );
  assert.ok(accepted > 100, `only ${accepted} messages were good: the test proves too little`);
});

it("says of any JSON value in the place of arguments what the reference says", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary", depthSize: "medium" }), (args) => {
      const line = Buffer.from(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":${args}}}`,
      );
      assert.is(accepts(line), referenceAccepts(line));
    }),
    { numRuns: 1200 },
  );
});

it("leaves the positions of what JSON.parse finds", () => {
  const slots: readonly [Slot, (message: Parsed) => unknown][] = [
    [Slot.id, (m) => m.id],
    [Slot.method, (m) => m.method],
    [Slot.params, (m) => m.params],
    [Slot.name, (m) => m.params?.name],
    [Slot.arguments, (m) => m.params?.arguments],
    [Slot.meta, (m) => m.params?._meta],
    [Slot.metaProtocolVersion, (m) => m.params?._meta?.["io.modelcontextprotocol/protocolVersion"]],
  ];
  let accepted = 0;
  fc.assert(
    fc.property(message, (line) => {
      const bytes = Buffer.from(`other line\n${line}\r\nnext line`);
      if (scanner.scan(bytes, 11, bytes.length - 9) !== undefined) return;
      accepted++;
      const parsed = JSON.parse(line) as Parsed;
      for (const [slot, read] of slots) {
        const expected = typeof parsed.method === "string" || slot === Slot.id ? read(parsed) : undefined;
        const text = bytes.toString("utf8", scanner.start(slot), scanner.end(slot));
        assert.equal(scanner.has(slot) ? JSON.parse(text) : undefined, expected, String(slot));
      }
      if (typeof parsed.params?.arguments === "object") {
        assert.equal([...scanner.argumentKeys].sort(), Object.keys(parsed.params.arguments as object).sort());
      }
      assert.is(scanner.answerId(), parsed.id === undefined ? "null" : JSON.stringify(parsed.id));
    }),
    { numRuns: 1500 },
  );
  assert.ok(accepted > 60, `only ${accepted} messages were good`);
});

interface Parsed {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: { name?: unknown; arguments?: unknown; _meta?: Readonly<Record<string, unknown>> };
}

it("takes nothing for JSON that JSON.parse does not", () => {
  const pieces = fc.constantFrom(...'{ } [ ] , : " \\ 1 0 - . e true null "a" "b" \u0000 \t é'.split(" "));
  const soup = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(soup, fc.json(), fc.string()), (text) => {
      const line = Buffer.from(`{"jsonrpc":"2.0","method":"m","x":${text}}`);
      const flaw = scanner.scan(line, 0, line.length);
      const parses = doesParse(line.toString());
      if (flaw === undefined) assert.ok(parses, text);
      // And the other way round, save for what is refused for what it says.
      if (flaw === "syntax") assert.not(parses, text);
    }),
    { numRuns: 2500 },
  );
});

function doesParse(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

it("never throws, and accepts nothing that the reference refuses, when bytes of good messages change", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(message, changes, (line, flips) => {
      const bytes = Buffer.from(line);
      for (const [at, byte] of flips) bytes[at % bytes.length] = byte === 0x0a ? 0x20 : byte;
      assert.is(accepts(bytes), referenceAccepts(bytes));
      assert.type(scanner.answerId(), "string");
      scanner.scanLenient(bytes, 0, bytes.length);
      assert.type(scanner.answerId(), "string");
    }),
    { numRuns: 1500 },
  );
});

it("never throws on arbitrary bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      scanner.scan(Buffer.from(bytes), 0, bytes.length);
      assert.type(scanner.answerId(), "string");
      scanner.scanLenient(Buffer.from(bytes), 0, bytes.length);
      assert.type(scanner.answerId(), "string");
    }),
    { numRuns: 1200 },
  );
});

it("does not look behind the end of the line, wherever in a buffer it lies", () => {
  const filler = fc.constantFrom('"', "\\", "}", "]", "0", "e5", "\\ud83d", "\r", "\u00e9", "ude00", ",");
  fc.assert(
    fc.property(message, fc.nat({ max: 7 }), filler, fc.nat(), (line, offset, behind, cut) => {
      // Cut short, so that it may end in the middle of anything.
      const text = Buffer.from(line).subarray(0, cut % 3 === 0 ? cut % (line.length + 1) : undefined);
      const around = Buffer.concat([Buffer.alloc(offset, "x"), text, Buffer.from(behind.repeat(9))]);
      const alone = scanner.scan(Buffer.from(text), 0, text.length);
      const answerId = scanner.answerId();
      assert.is(scanner.scan(around, offset, offset + text.length), alone);
      assert.is(scanner.answerId(), answerId);
      const lenient = scanner.scanLenient(Buffer.from(text), 0, text.length);
      assert.is(scanner.scanLenient(around, offset, offset + text.length), lenient);
    }),
    { numRuns: 1500 },
  );
});

it("finds long strings' ends and bad bytes at every offset", () => {
  const texts = fc.array(
    fc.constantFrom("a", "0123456789abcdef", '\\"', "\\\\", "\\n", "é", "\\ud83d\\ude00", "\u007f"),
    {
      maxLength: 12,
    },
  ).map((parts) => parts.join(""));
  const bad = fc.constantFrom("", "", "\u0000", "\u001f", "\t", '"', "\\x", "\\u12g4", "\\ud83d");
  fc.assert(
    fc.property(texts, bad, texts, fc.nat({ max: 3 }), (before, middle, after, pad) => {
      const line = Buffer.from(
        `${" ".repeat(pad)}{"jsonrpc":"2.0","method":"m","x":{"y":"${before}${middle}${after}"}}`,
      );
      assert.is(accepts(line), referenceAccepts(line));
    }),
    { numRuns: 1500 },
  );
});

it("scans a server's line leniently without disagreeing with JSON.parse on where its members end", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary" }), fc.json(), (result, meta) => {
      const line = Buffer.from(
        `{"result":{"content":${result},"_meta":${meta}},"x":${meta},"jsonrpc":"2.0","id":5}`,
      );
      assert.is(scanner.scanLenient(line, 0, line.length), undefined);
      const text = line.toString("utf8", scanner.start(Slot.result), scanner.end(Slot.result));
      assert.equal(JSON.parse(text), (JSON.parse(line.toString()) as { result: unknown }).result);
      assert.is(scanner.id(Slot.id), 5);
    }),
    { numRuns: 1500 },
  );
});

it("skips a server's long texts to where they end, whatever is escaped in them", () => {
  const part = fc.constantFrom("a", '"', "\\", "\n", "x".repeat(47), "y".repeat(48), "z".repeat(49));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const text = parts.join("");
      const result = JSON.stringify({ content: [{ text }, text], [text]: 1 });
      const line = Buffer.from(`{"result":{"content":[${result}]},"jsonrpc":"2.0","id":5}`);
      assert.is(scanner.scanLenient(line, 0, line.length), undefined);
      const found = line.toString("utf8", scanner.start(Slot.result), scanner.end(Slot.result));
      assert.is(found, `{"content":[${result}]}`);
    }),
    { numRuns: 1000 },
  );
});

it.run();
