import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isOwnKey } from "../../sidecar/protocol/own-keys.ts";
import { Slot } from "../../sidecar/protocol/keys.ts";
import { addOwnMeta, takeOwnMeta } from "../../sidecar/relay/own-meta.ts";
import { StrictScanner } from "../../sidecar/relay/strict-scanner.ts";

/** What is left of a request's line, and what was shown in it, as the gate does it. */
function take(line: string): { line: string; token?: string | undefined; bootstrap?: string | undefined } {
  const bytes = Buffer.from(line);
  const scanner = new StrictScanner();
  assert.is(scanner.scan(bytes, 0, bytes.length), undefined, line);
  if (!scanner.ownMeta) return { line };
  const taken = takeOwnMeta(bytes, { start: scanner.start(Slot.meta), end: scanner.end(Slot.meta) });
  return taken === undefined ? { line } : { ...taken, line: taken.line.toString() };
}

const request = (meta: string) => `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":${meta}}}`;
const answer = (meta: string) => `{"jsonrpc":"2.0","id":1,"result":{"_meta":${meta},"roots":[]}}`;

const meta = suite("our keys of _meta");
const cases: readonly [name: string, before: string, after: string][] = [
  ["alone", '{"dev.mcp-guard/token":"t"}', "{}"],
  ["before another", '{"dev.mcp-guard/token":"t","a":1}', '{"a":1}'],
  ["behind another", '{"a":1,"dev.mcp-guard/token":"t"}', '{"a":1}'],
  ["between others", '{"a":1 , "dev.mcp-guard/token" : "t" , "b":2}', '{"a":1 , "b":2}'],
  ["two in a row", '{"dev.mcp-guard/a":1,"dev.mcp-guard/b":2,"c":3}', '{"c":3}'],
  ["around another", '{"dev.mcp-guard/a":1,"c":3,"dev.mcp-guard/b":2}', '{"c":3}'],
  ["of no kind we know", '{"dev.mcp-guard/whatever":{"x":[1,2]},"a":1}', '{"a":1}'],
  ["in capitals", '{"DEV.MCP-Guard/Token":"t","a":1}', '{"a":1}'],
  ["spelled with escapes", '{"dev.mcp-guard\\u002ftoken":"t","a":1}', '{"a":1}'],
  ["with a letter that folds", '{"dev.mcp-guard/to\u212aen":"t","a":1}', '{"a":1}'],
  ["with an escape in the first letter", '{"\\u0064ev.mcp-guard/token":"t","a":1}', '{"a":1}'],
];
for (const [name, before, after] of cases) {
  meta(`${name}: taken out, and nothing else`, () => {
    assert.is(take(request(before)).line, request(after));
    assert.is(take(answer(before)).line, answer(after));
  });
}

const untouched: readonly string[] = [
  "{}",
  '{"progressToken":1}',
  '{"dev.mcp-guard":1}',
  '{"dev.mcp-guardian/token":1}',
  '{"com.example/x":{"dev.mcp-guard/token":"nested is not ours"}}',
  '{"xdev.mcp-guard/token":1}',
];
for (const value of untouched) {
  meta(`${value} stays as it is`, () => {
    assert.is(take(request(value)).line, request(value));
  });
}

meta("what was shown is read, where it is a text under the exact key", () => {
  const shown = take(request('{"dev.mcp-guard/token":"a\\u0062c","dev.mcp-guard/bootstrap":"s"}'));
  assert.is(shown.token, "abc");
  assert.is(shown.bootstrap, "s");
  const other = take(request('{"DEV.mcp-guard/token":"abc","dev.mcp-guard/bootstrap":["s"]}'));
  assert.is(other.token, undefined);
  assert.is(other.bootstrap, undefined);
});

meta("whatever else is in _meta is the same before and after", () => {
  const key = fc.oneof(
    fc.constantFrom("dev.mcp-guard/token", "dev.mcp-guard/x", "Dev.Mcp-Guard/Y", "dev.mcp-guard/identity"),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(fc.property(fc.dictionary(key, fc.jsonValue({ maxDepth: 2 })), (value) => {
    const bytes = Buffer.from(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { _meta: value } }),
    );
    fc.pre(new StrictScanner().scan(bytes, 0, bytes.length) === undefined);
    const left = JSON.parse(take(bytes.toString()).line).params._meta;
    assert.equal(
      left,
      JSON.parse(JSON.stringify(
        Object.fromEntries(Object.entries(value).filter(([name]) => !isOwnKey(name))),
      )),
    );
  }));
});

const additions: readonly [name: string, holder: string, expected: string][] = [
  ["an empty object", "{}", '{"_meta":{"k":1}}'],
  ["an object without _meta", '{"a":1}', '{"_meta":{"k":1},"a":1}'],
  ["an empty _meta", '{"a":1,"_meta":{}}', '{"a":1,"_meta":{"k":1}}'],
  ["a _meta", '{"_meta": {"b":2},"a":1}', '{"_meta": {"k":1,"b":2},"a":1}'],
  ["a _meta with a key of ours", '{"_meta":{"dev.mcp-guard/token":"forged"}}', '{"_meta":{"k":1}}'],
  [
    "one with ours and another",
    '{"_meta":{"x":1,"dev.mcp-guard/token":"forged"}}',
    '{"_meta":{"k":1,"x":1}}',
  ],
];
for (const [name, holder, expected] of additions) {
  meta(`added to ${name}`, () => {
    const line = Buffer.from(`  ${holder}\n`);
    const at = holder.includes("_meta") ? line.indexOf("{", line.indexOf("_meta")) : -1;
    const end = at < 0 ? -1 : line.indexOf("}", at) + 1;
    const meta = at < 0 ? undefined : { start: at, end };
    const added = addOwnMeta(line, { start: 2, end: line.length - 1 }, meta, '"k":1');
    assert.is(added?.toString(), `  ${expected}\n`);
  });
}

meta("nothing is added to what is no object", () => {
  const line = Buffer.from("[1]");
  assert.is(addOwnMeta(line, { start: 0, end: 3 }, undefined, '"k":1'), undefined);
  const odd = Buffer.from('{"_meta":[1]}');
  assert.is(addOwnMeta(odd, { start: 0, end: 13 }, { start: 9, end: 12 }, '"k":1'), undefined);
});
meta.run();
