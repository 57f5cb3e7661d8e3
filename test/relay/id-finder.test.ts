import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IdFinder } from "../../sidecar/relay/id-finder.ts";

function find(...chunks: readonly (string | Uint8Array)[]): string {
  const finder = new IdFinder();
  for (const chunk of chunks) finder.push(Buffer.from(chunk as string));
  return finder.answerId();
}

const params = '"params":{"name":"x","arguments":{"id":99,"text":"\\"id\\":98,{[","list":[{"id":97}]}}';

const CASES: readonly { name: string; line: string | Buffer; id: string }[] = [
  { name: "id first", line: `{"id":7,"method":"a",${params}}`, id: "7" },
  { name: "id last, as the SDKs write it", line: `{"method":"a",${params},"jsonrpc":"2.0","id":7}`, id: "7" },
  { name: "id in the middle, with blanks", line: `{ "method" : "a" ,\t"id" : 7 , ${params} }`, id: "7" },
  { name: "id of letters", line: `{${params},"id":"a-1"}`, id: '"a-1"' },
  { name: "id of blanks", line: '{"id":" a "}', id: '" a "' },
  { name: "nothing in quotes", line: '{"id":""}', id: '""' },
  { name: "negative id", line: '{"id":-7}', id: "-7" },
  { name: "no id", line: `{"method":"a",${params}}`, id: "null" },
  { name: "only nested ids", line: `{${params}}`, id: "null" },
  { name: "id as a value", line: '{"a":"id","b":7}', id: "null" },
  { name: "key that ends in id", line: '{"aid":7,"\\"id":8}', id: "null" },
  { name: "id twice", line: '{"id":7,"method":"a","id":8}', id: "null" },
  { name: "id twice, equal", line: '{"id":7,"id":7}', id: "null" },
  { name: "id null", line: '{"id":null}', id: "null" },
  { name: "id true", line: '{"id":true}', id: "null" },
  { name: "id 1.5", line: '{"id":1.5}', id: "null" },
  { name: "id 1e5", line: '{"id":1e5}', id: "null" },
  { name: "id -0", line: '{"id":-0}', id: "null" },
  { name: "id 01", line: '{"id":01}', id: "null" },
  { name: "id that may be unsafe", line: '{"id":9007199254740993}', id: "null" },
  { name: "id in an object", line: '{"id":{"id":7}}', id: "null" },
  { name: "id in an array", line: '{"id":[7]}', id: "null" },
  { name: "two values for one id", line: '{"id":5 6}', id: "null" },
  { name: "id with an escape", line: '{"id":"\\u0061"}', id: "null" },
  { name: "id with a raw control character", line: '{"id":"a\rb"}', id: "null" },
  { name: "id with DEL", line: '{"id":"a\u007fb"}', id: "null" },
  { name: "id beyond ASCII", line: '{"id":"é"}', id: "null" },
  { name: "id with bad bytes", line: Buffer.from('{"id":"\xff"}', "latin1"), id: "null" },
  { name: "long id", line: `{"id":"${"a".repeat(254)}"}`, id: `"${"a".repeat(254)}"` },
  { name: "id that is too long", line: `{"id":"${"a".repeat(255)}"}`, id: "null" },
  { name: "endless id", line: `{"id":"${"a".repeat(100_000)}`, id: "null" },
  { name: "id cut in the middle", line: '{"id":12', id: "null" },
  { name: "message that does not end", line: `{"id":7,${params}`, id: "7" },
  { name: "long key before", line: `{"${"k".repeat(9999)}":1,"id":7}`, id: "7" },
  { name: "batch", line: '[{"id":7}]', id: "null" },
  { name: "id in an array's place of a key", line: '["id":7]', id: "null" },
  { name: "brackets before the message", line: ']]}{"id":7}', id: "7" },
  { name: "second message", line: '{"a":1}{"id":7}', id: "null" },
  { name: "two messages", line: '{"id":7}{"id":8}', id: "7" },
  { name: "text", line: 'Server "id":7 started', id: "null" },
  { name: "nothing", line: "", id: "null" },
];

const it = suite("IdFinder");

for (const { name, line, id } of CASES) {
  it(`${name}: ${id.slice(0, 20)}`, () => assert.is(find(line), id));
}

it("finds the same in any pieces", () => {
  const line = fc.constantFrom(
    ...CASES.map(({ line }) => Buffer.from(line as string)).filter(({ length }) => length < 999),
  );
  const cuts = fc.array(fc.nat({ max: 999 }), { maxLength: 6 });
  fc.assert(
    fc.property(line, cuts, (bytes, at) => {
      const ends = [0, ...at.map((n) => n % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      assert.is(find(...ends.slice(1).map((end, i) => bytes.subarray(ends[i], end))), find(bytes));
    }),
    { numRuns: 1000 },
  );
});

it("gives an id that is JSON, or null, for any bytes", () => {
  const soup = fc.array(fc.constantFrom(...'{ } [ ] , : " \\ "id" 7 a é \r \u0000'.split(" ")), {
    maxLength: 14,
  });
  fc.assert(
    fc.property(soup, fc.uint8Array({ maxLength: 20 }), (parts, bytes) => {
      const id: unknown = JSON.parse(find("{", parts.join(""), bytes));
      assert.ok(id === null || typeof id === "string" || Number.isSafeInteger(id));
    }),
    { numRuns: 2000 },
  );
});

it("finds what JSON.parse finds", () => {
  const id = fc.oneof(
    fc.integer(),
    fc.string({ unit: "grapheme-ascii" }).filter((text) => !/["\\\u007f]/.test(text)),
  );
  fc.assert(
    fc.property(id, fc.json({ stringUnit: "binary" }), fc.boolean(), (value, other, last) => {
      const parts = [`"id":${JSON.stringify(value)}`, `"params":${other}`];
      assert.is(
        find(`{${(last ? parts.reverse() : parts).join(",")}}`),
        Object.is(value, -0) ? "0" : JSON.stringify(value),
      );
    }),
    { numRuns: 500 },
  );
});

it.run();
