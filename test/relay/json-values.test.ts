import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeString, isExactLiteral } from "../../sidecar/relay/json-lexer.ts";
import { parseValue } from "../../sidecar/relay/json-values.ts";

/** Stands for a literal that no double holds. */
class Inexact {
  readonly literal: string;
  constructor(literal: string) {
    this.literal = literal;
  }
}

function parse(text: string): unknown {
  const bytes = Buffer.from(`before ${text} behind 1e999`);
  return parseValue(bytes, 7, 7 + Buffer.byteLength(text), (literal) => new Inexact(literal));
}

const EXACT = [
  ..."0 -0 1 -1 10 0.1 1.0 1E2 1e2 1e+2 1.50e-3 0e999999 0.0 100000000000000000000 5e-324 1.7976931348623157e308"
    .split(" "),
  ..."9007199254740992 9007199254740991 18014398509481984 0.30000000000000004 123456789012345 0.000000000000000001"
    .split(" "),
];
const INEXACT = [
  ..."9007199254740993 -9007199254740993 1e400 -1e400 1e-400 4.9e-324 0.1000000000000000055 0.1000000000000000055511151231257827"
    .split(" "),
  ..."12345678901234567890 1.00000000000000000001 9007199254740993.0 9007199254740992.5 179769313486231580e999"
    .split(" "),
  `1${"0".repeat(64)}`,
  `0.${"0".repeat(64)}`,
];

const it = suite("parseValue()");

for (const literal of EXACT) {
  it(`${literal} is what a double holds`, () => {
    assert.ok(isExactLiteral(literal));
    assert.is(parse(literal), Number(literal));
    assert.equal(parse(`{"a":[${literal}]}`), { a: [Number(literal)] });
  });
}
for (const literal of INEXACT) {
  it(`${literal.slice(0, 40)} is not, and gets a stand-in that shows it`, () => {
    assert.not(isExactLiteral(literal));
    assert.equal(parse(literal), new Inexact(literal));
    assert.equal(parse(`{"a":[1,${literal},"${literal}"]}`), { a: [1, new Inexact(literal), literal] });
  });
}

for (
  const { name, text } of [
    { name: "digits in a string", text: '{"a":"9007199254740993","b":9007199254740993}' },
    { name: "digits in a key", text: '{"9007199254740993":9007199254740993}' },
    { name: "digits behind an escaped quote", text: '["\\" 9007199254740993 \\\\",9007199254740993]' },
    { name: "characters beyond ASCII around it", text: '["é😀",9007199254740993,"😀"]' },
  ]
) {
  it(`leaves ${name} alone`, () => {
    const expected = JSON.parse(
      text,
      (_key, value: unknown) => value === 9007199254740992 ? new Inexact("9007199254740993") : value,
    );
    assert.equal(parse(text), expected);
  });
}

it("reads numbers as JSON.parse does where no stand-in is wanted", () => {
  const bytes = Buffer.from("[9007199254740993,1e400]");
  assert.equal(parseValue(bytes, 0, bytes.length), [9007199254740992, Infinity]);
});

it("copes with strings of megabytes beside such a number", () => {
  for (const part of ["a", "\\n", '\\"', "1"]) {
    const long = part.repeat(2_000_000);
    assert.equal(parse(`["${long}",1e400]`), [JSON.parse(`"${long}"`), new Inexact("1e400")]);
  }
});

it("agrees with JSON.parse on every value whose numbers are doubles", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary" }), (text) => {
      assert.equal(parse(text), JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

it("takes for exact exactly what has the double's shortest spelling as its value", () => {
  const literal = fc.tuple(
    fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
    fc.integer({ min: -30, max: 30 }),
  );
  fc.assert(
    fc.property(literal, ([digits, exponent]) => {
      const text = `${digits}e${exponent}`;
      // Both as whole numbers of a unit that is small enough for any of them.
      assert.is(isExactLiteral(text), scaled(text) === scaled(String(Number(text))));
    }),
    { numRuns: 2000 },
  );
});

function scaled(literal: string): bigint {
  const [mantissa = "", exponent = "0"] = literal.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return BigInt(whole + fraction) * 10n ** BigInt(400 + Number(exponent) - fraction.length);
}

it("decodes strings as JSON.parse does", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const literal = Buffer.from(JSON.stringify(text));
    assert.is(decodeString(literal, 1, literal.length - 1), JSON.parse(literal.toString()));
  }));
});

it.run();
