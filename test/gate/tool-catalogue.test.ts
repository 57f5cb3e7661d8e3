import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ToolArguments, ToolCatalogue } from "../../sidecar/gate/tool-catalogue.ts";
import type { Policy } from "../../policy/mod.ts";

/** The one thing that the catalogue asks a policy. */
const policy = { argumentNames: (tool: string) => tool === "read" ? ["path"] : [] } as unknown as Policy;
const tool = (name: string, properties: object = {}) => ({
  name,
  inputSchema: { type: "object", properties },
});

const it = suite("ToolCatalogue");

it("knows no tool before it has learned one", () => {
  const catalogue = new ToolCatalogue(policy);
  assert.not(catalogue.complete);
  assert.is(catalogue.find("read"), undefined);
  assert.ok(catalogue.mayBeOutdated(0));
});

it("knows a tool by its very name", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([tool("read")], true, true, 0);
  assert.ok(catalogue.complete);
  assert.ok(catalogue.find("read"));
  for (const other of ["Read", "READ", "read ", " read", "read\0", "rea", "__proto__", "constructor", ""]) {
    assert.is(catalogue.find(other), undefined, other);
  }
});

it("knows a list only when its last page has come", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([tool("a")], true, false, 0);
  assert.is(catalogue.find("a"), undefined);
  assert.not(catalogue.complete);
  catalogue.learn([tool("b")], false, true, 0);
  assert.ok(catalogue.find("a"));
  assert.ok(catalogue.find("b"));
  assert.equal(catalogue.definitions.map(({ name }) => name), ["a", "b"]);
});

it("forgets what a new list does not name", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([tool("a"), tool("b")], true, true, 0);
  catalogue.learn([tool("b")], true, true, 0);
  assert.is(catalogue.find("a"), undefined);
  assert.ok(catalogue.find("b"));
});

it("is asked for again when the server says that it changed, and knows the old list meanwhile", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([tool("a")], true, true, 0);
  catalogue.forget();
  assert.not(catalogue.complete);
  assert.ok(catalogue.mayBeOutdated(1));
  assert.ok(catalogue.find("a"));
});

it("may be outdated only after two seconds", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([], true, true, 1000);
  assert.not(catalogue.mayBeOutdated(3000));
  assert.ok(catalogue.mayBeOutdated(3001));
});

it("learns that the server has no list", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learnNone(0);
  assert.ok(catalogue.complete);
  assert.not(catalogue.mayBeOutdated(1));
});

it("passes over what is no definition of a tool", () => {
  const catalogue = new ToolCatalogue(policy);
  const inherited = Object.create({ name: "inherited" }) as object;
  catalogue.learn([null, 1, "a", [], {}, { name: 1 }, inherited, tool("a")], true, true, 0);
  assert.equal(catalogue.definitions.map(({ name }) => name), ["a"]);
});

for (
  const schema of [undefined, null, 1, "x", [], {}, { properties: null }, { properties: 1 }, {
    properties: ["path"],
  }]
) {
  it(`copes with the input schema ${JSON.stringify(schema)}`, () => {
    const catalogue = new ToolCatalogue(policy);
    catalogue.learn([{ name: "read", inputSchema: schema }], true, true, 0);
    // What the policy's rules read counts, whatever the server says of itself.
    assert.is(catalogue.find("read")?.isLookAlike("Path"), true);
  });
}

it("finds argument keys that are like one of the schema or of a rule, and are not it", () => {
  const catalogue = new ToolCatalogue(policy);
  catalogue.learn([tool("read", { Encoding: {}, head: {} }), tool("other", {})], true, true, 0);
  const read = catalogue.find("read") ?? assert.unreachable();
  const alike = ["PATH", "pa\u0074h", "Path", "path\0x", "encoding", "HEAD", "he\u0041d"];
  assert.equal(alike.map((key) => (read as ToolArguments).isLookAlike(key)), [
    true,
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
  for (const key of ["path", "Encoding", "head", "tail", "paths", ""]) {
    assert.not((read as ToolArguments).isLookAlike(key), key);
  }
  assert.not(catalogue.find("other")?.isLookAlike("Path"));
});

it("lets two names of a schema that differ by case both be used", () => {
  const names = new ToolArguments(["path", "Path"]);
  assert.not(names.isLookAlike("path"));
  assert.not(names.isLookAlike("Path"));
  assert.ok(names.isLookAlike("PATH"));
});

it("takes another policy's names of arguments", () => {
  const catalogue = new ToolCatalogue(undefined);
  catalogue.learn([tool("read")], true, true, 0);
  assert.not(catalogue.find("read")?.isLookAlike("PATH"));
  catalogue.adopt(policy);
  assert.ok(catalogue.find("read")?.isLookAlike("PATH"));
  assert.ok(catalogue.complete);
});

it.run();
