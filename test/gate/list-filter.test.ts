import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filterList } from "../../sidecar/gate/list-filter.ts";
import type { ListMember } from "../../sidecar/protocol/methods.ts";
import { Slot } from "../../sidecar/protocol/keys.ts";
import { StrictScanner } from "../../sidecar/relay/strict-scanner.ts";

/** Shows what does not begin with "hidden". */
const shows = (name: string) => !name.startsWith("hidden");
const judge = { shows: (_: ListMember, name: string) => shows(name) };

function filter(result: string, entries: ListMember = "tools", modern = false) {
  const line = Buffer.from(`{"result":${result},"jsonrpc":"2.0","id":1}\r\n`);
  const scanner = new StrictScanner();
  assert.is(scanner.scanLenient(line, 0, line.length), undefined);
  const at = { start: scanner.start(Slot.result), end: scanner.end(Slot.result) };
  const filtered = filterList(line, at, entries, judge, modern);
  if (filtered === undefined) return undefined;
  const text = filtered.line.toString();
  assert.ok(text.endsWith(',"jsonrpc":"2.0","id":1}\r\n'), "the rest of the line changed");
  return {
    text: text.slice('{"result":'.length, -',"jsonrpc":"2.0","id":1}\r\n'.length),
    hidden: filtered.hidden,
    same: filtered.line === line,
  };
}

const it = suite("filterList()");

it("gives the line back as it is when nothing is hidden", () => {
  const filtered = filter('{ "tools" : [ {"name":"a"} , {"name":"b"} ] , "x" : 1.50 }');
  assert.equal(filtered, {
    text: '{ "tools" : [ {"name":"a"} , {"name":"b"} ] , "x" : 1.50 }',
    hidden: [],
    same: true,
  });
});

for (
  const { name, before, after, hidden } of [
    {
      name: "the first",
      before: '[{"name":"hidden"}, {"name":"b"}]',
      after: '[{"name":"b"}]',
      hidden: ["hidden"],
    },
    {
      name: "the last",
      before: '[{"name":"a"} ,{"name":"hidden"} ]',
      after: '[{"name":"a"}]',
      hidden: ["hidden"],
    },
    {
      name: "one in the middle",
      before: '[{"name":"a"},{"name":"hidden"},{"name":"c"}]',
      after: '[{"name":"a"},{"name":"c"}]',
      hidden: ["hidden"],
    },
    {
      name: "all",
      before: '[{"name":"hidden1"},{"name":"hidden2"}]',
      after: "[]",
      hidden: ["hidden1", "hidden2"],
    },
    {
      name: "one whose name is spelled with escapes",
      before: '[{"name":"\\u0068idden"}]',
      after: "[]",
      hidden: ["hidden"],
    },
    {
      name: "one whose last name is hidden",
      before: '[{"name":"a","name":"hidden"}]',
      after: "[]",
      hidden: ["hidden"],
    },
  ]
) {
  it(`takes out ${name}, and leaves every other byte`, () => {
    const rest = ', "nextCursor":"x", "a":[1e2, "é"]';
    assert.equal(filter(`{"tools":${before}${rest}}`), {
      text: `{"tools":${after}${rest}}`,
      hidden,
      same: false,
    });
  });
}

for (
  const { entries, key } of [
    { entries: "tools", key: "name" },
    { entries: "prompts", key: "name" },
    { entries: "resources", key: "uri" },
    { entries: "resourceTemplates", key: "uriTemplate" },
  ] as const
) {
  it(`goes by '${key}' in ${entries}`, () => {
    const decoys = ["name", "uri", "uriTemplate"].filter((other) => other !== key).map((other) =>
      `"${other}":"hidden"`
    );
    const shown = `{${decoys.join(",")},"${key}":"a"}`;
    const filtered = filter(`{"${entries}":[${shown},{"${key}":"hidden"}]}`, entries);
    assert.equal(filtered, { text: `{"${entries}":[${shown}]}`, hidden: ["hidden"], same: false });
  });
}

for (
  const { name, result } of [
    { name: "a result that is no object", result: "[]" },
    { name: "a result without the list", result: '{"prompts":[]}' },
    { name: "a list that is an object", result: '{"tools":{"name":"a"}}' },
    { name: "a list that is null", result: '{"tools":null}' },
    { name: "an entry that is no object", result: '{"tools":["hidden"]}' },
    { name: "an entry that is null", result: '{"tools":[null]}' },
    { name: "an entry that is an array", result: '{"tools":[["name","hidden"]]}' },
    { name: "an entry without a name", result: '{"tools":[{"title":"hidden"}]}' },
    { name: "an entry whose name is no string", result: '{"tools":[{"name":1}]}' },
    { name: "an entry that is not JSON", result: '{"tools":[{"name":hidden}]}' },
    { name: "an entry with something behind it", result: '{"tools":[{"name":"a"}{"name":"hidden"}]}' },
    { name: "brackets that do not match", result: '{"tools":[{"name":"a"]]}' },
  ]
) {
  it(`does not let ${name} go on`, () => assert.is(filter(result), undefined));
}

it("makes a modern list private and void at once, whether or not the server said something else", () => {
  assert.equal(
    filter('{"tools":[],"cacheScope":"public","ttlMs":60000}', "tools", true)?.text,
    '{"tools":[],"cacheScope":"private","ttlMs":0}',
  );
  const { text = "" } = filter('{"tools":[{"name":"hidden"}]}', "tools", true) ?? {};
  assert.equal(JSON.parse(text), { tools: [], cacheScope: "private", ttlMs: 0 });
  const { text: half = "" } = filter('{"ttlMs":5,"tools":[]}', "tools", true) ?? {};
  assert.equal(JSON.parse(half), { ttlMs: 0, tools: [], cacheScope: "private" });
});

it("says what JSON.parse, a filter and JSON.stringify would say, for any list", () => {
  const name = fc.oneof(fc.constantFrom("hidden", "hidden\u0000", "a"), fc.string({ unit: "binary" }));
  const entry = fc.record({ name, inputSchema: fc.jsonValue(), extra: fc.jsonValue() }, {
    requiredKeys: ["name"],
  });
  const result = fc.record({ tools: fc.array(entry), _meta: fc.jsonValue(), more: fc.jsonValue() }, {
    requiredKeys: ["tools"],
  });
  fc.assert(
    fc.property(result, fc.constantFrom(undefined, 1), fc.boolean(), (value, indent, modern) => {
      const filtered = filter(JSON.stringify(value, null, indent).replaceAll("\n", " "), "tools", modern);
      const expected = JSON.parse(JSON.stringify(value)) as { tools: { name: string }[] };
      expected.tools = expected.tools.filter((tool) => shows(tool.name));
      assert.equal(
        JSON.parse(filtered?.text ?? ""),
        modern ? { ...expected, cacheScope: "private", ttlMs: 0 } : expected,
      );
    }),
    { numRuns: 300 },
  );
});

it.run();
