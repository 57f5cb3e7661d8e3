import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { elementsOf, membersOf } from "../../sidecar/relay/json-members.ts";

const slice = (bytes: Buffer, span: { start: number; end: number }) =>
  bytes.toString("utf8", span.start, span.end);

/** `{"a": 1}` with the blanks that a value may stand between. */
const spaced = (text: string) => Buffer.from(`  ${text}\n{"next":`);

const it = suite("membersOf(), elementsOf()");

it("finds each member, key and value, where JSON.parse finds it", () => {
  const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), { noNullPrototype: true });
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const bytes = spaced(text);
      const members = membersOf(bytes, 2, 2 + Buffer.byteLength(text)) ?? assert.unreachable();
      assert.equal(members?.map(({ key }) => key), Object.keys(JSON.parse(text) as object));
      for (const member of members ?? []) {
        assert.equal(
          JSON.parse(slice(bytes, member.value)),
          (JSON.parse(text) as Record<string, unknown>)[member.key],
        );
        assert.equal(JSON.parse(`{${slice(bytes, member)}}`), {
          [member.key]: JSON.parse(slice(bytes, member.value)) as unknown,
        });
      }
    }),
    { numRuns: 400 },
  );
});

it("finds each element where JSON.parse finds it", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const bytes = spaced(text);
      const elements = elementsOf(bytes, 2, 2 + Buffer.byteLength(text)) ?? [];
      assert.equal(elements.map((span) => JSON.parse(slice(bytes, span)) as unknown), JSON.parse(text));
    }),
    { numRuns: 400 },
  );
});

it("shows keys that stand twice", () => {
  const bytes = Buffer.from('{"a":1,"\\u0061":{"b":"}"},"a":[]}');
  assert.equal(membersOf(bytes, 0, bytes.length)?.map(({ key, value }) => [key, slice(bytes, value)]), [
    ["a", "1"],
    ["a", '{"b":"}"}'],
    ["a", "[]"],
  ]);
});

for (
  const text of [
    "",
    "[]",
    "1",
    '"a"',
    "{",
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{"a" 1}',
    "{a:1}",
    '{"a":1 "b":2}',
  ]
) {
  it(`finds no members in '${text}'`, () => {
    const bytes = Buffer.from(`${text}}}]]"":1}`);
    assert.is(membersOf(bytes, 0, Buffer.byteLength(text)), undefined);
  });
}
for (const text of ["{}{}", "{},", '{"a":1}}', '{"a":1}{"b":2}', '{"a":1} ', '{"a":]}', '{"a":[}']) {
  it(`finds no members in '${text}', which goes on behind its object`, () => {
    assert.is(membersOf(Buffer.from(text), 0, text.length), undefined);
  });
}
for (const text of ["", "{}", "1", "[", "[1", "[1,", "[,1]", "[1,]", "[1 2]", '["a]', "[[1]", '[{"a":1]']) {
  it(`finds no elements in '${text}'`, () => {
    const bytes = Buffer.from(`${text}]]}}"]`);
    assert.is(elementsOf(bytes, 0, Buffer.byteLength(text)), undefined);
  });
}

it("finds nothing in what is empty", () => {
  assert.equal(membersOf(Buffer.from("{ }"), 0, 3), []);
  assert.equal(elementsOf(Buffer.from("[ ]"), 0, 3), []);
});

it.run();
