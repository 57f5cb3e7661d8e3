import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { foldKey } from "../../policy/match/fold.ts";
import {
  CASE_BIT,
  foldsToWatched,
  HASH_PRIME,
  HASH_START,
  hashText,
  LOOK_ALIKE,
  NOT_WATCHED,
  Place,
  placeOfSlot,
  sameLetter,
  Slot,
  SLOT_COUNT,
  watchedSlot,
} from "../../sidecar/protocol/keys.ts";

/** As the scanner does it, from the bytes of a key without escapes. */
function hashBytes(bytes: Uint8Array): number {
  let hash = HASH_START;
  for (const byte of bytes) hash = Math.imul(hash ^ (byte | CASE_BIT), HASH_PRIME);
  return hash;
}

function look(place: Place, key: string, hash?: number): number {
  const bytes = Buffer.from(`"${key}"`);
  return watchedSlot(place, hash ?? hashBytes(bytes.subarray(1, -1)), bytes, 1, bytes.length - 1);
}

const it = suite("keys");

for (
  const [key, folded] of [
    ["name", "name"],
    ["Name", "name"],
    ["NAME", "name"],
    ["_META", "_meta"],
    ["argumentſ", "arguments"],
    ["progressTo\u212aen", "progresstoken"],
    ["UR\u0130", "uri"],
    ["ur\u0131", "uri"],
    ["name\0", "name"],
    ["na\0me", "na"],
    ["\0name", ""],
    ["name ", "name "],
    ["É", "é"],
    ["E\u0301", "é"],
    ["straße", "strasse"],
    ["", ""],
    ["İd", "id"],
    ["io.modelcontextprotocol/ProtocolVersion", "io.modelcontextprotocol/protocolversion"],
  ] as const
) {
  it(`${JSON.stringify(key)} folds to ${JSON.stringify(folded)}`, () => assert.is(foldKey(key), folded));
}

it("folds together all that JavaScript's own simple folding does", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
      const cut = text.split("\0")[0] as string;
      for (const other of [cut.toUpperCase(), cut.toLowerCase()]) {
        const equal = new RegExp(`^${cut.replace(/[\^$.*+?()[\]{}|/\\]/g, "\\$&")}$`, "iu").test(other);
        if (equal) assert.is(foldKey(text), foldKey(other));
      }
    }),
    { numRuns: 1000 },
  );
  for (let c = 1; c < 0xffff; c++) {
    // Every character that some parser could take for a letter of a protocol key.
    const character = String.fromCharCode(c);
    if (/^[a-z_/.]$/iu.test(character)) assert.match(foldKey(character), /^[a-z_/.]$/, character);
  }
});

it("is the same after folding twice", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => assert.is(foldKey(foldKey(text)), foldKey(text))),
  );
});

it("hashes a key's bytes to what its folded text hashes to", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
    assert.is(hashBytes(Buffer.from(text)), hashText(foldKey(text), CASE_BIT));
  }));
});

for (
  const { place, key, slot } of [
    { place: Place.envelope, key: "id", slot: Slot.id },
    { place: Place.envelope, key: "method", slot: Slot.method },
    { place: Place.params, key: "name", slot: Slot.name },
    { place: Place.params, key: "reason", slot: Slot.none },
    { place: Place.meta, key: "io.modelcontextprotocol/protocolVersion", slot: Slot.metaProtocolVersion },
    { place: Place.filter, key: "resourceSubscriptions", slot: Slot.none },
    { place: Place.error, key: "code", slot: Slot.errorCode },
    { place: Place.envelope, key: "Id", slot: LOOK_ALIKE },
    { place: Place.params, key: "REQUESTID", slot: LOOK_ALIKE },
    { place: Place.meta, key: "IO.modelcontextprotocol/protocolVersion", slot: LOOK_ALIKE },
    { place: Place.filter, key: "resourcesubscriptions", slot: LOOK_ALIKE },
    { place: Place.envelope, key: "name", slot: NOT_WATCHED },
    { place: Place.params, key: "id", slot: NOT_WATCHED },
    { place: Place.params, key: "names", slot: NOT_WATCHED },
    { place: Place.params, key: "nam", slot: NOT_WATCHED },
    { place: Place.params, key: "", slot: NOT_WATCHED },
    { place: Place.params, key: "__proto__", slot: NOT_WATCHED },
    { place: Place.params, key: "constructor", slot: NOT_WATCHED },
    // DEL and the underscore differ in the bit of the case, and so have one hash, but are no letters.
    { place: Place.params, key: "\u007fmeta", slot: NOT_WATCHED },
    { place: Place.free, key: "name", slot: NOT_WATCHED },
    { place: Place.arguments, key: "name", slot: NOT_WATCHED },
  ]
) {
  const names = Object.entries(Place).filter(([, value]) => value === place).map(([name]) => name);
  it(`'${key}' in ${names[0]}: ${slot}`, () => assert.is(look(place, key), slot));
}

it("does not take another key of the same hash for a watched one", () => {
  for (const key of ["nope", "xxxx", "name2"]) {
    assert.is(look(Place.params, key, hashText("name", CASE_BIT)), NOT_WATCHED);
  }
});

it("finds any key exactly when its text is watched, whatever the key", () => {
  const watched = [
    "name",
    "arguments",
    "uri",
    "_meta",
    "cursor",
    "ref",
    "requestId",
    "task",
    "message",
    "total",
  ];
  const key = fc.oneof(fc.string({ unit: "grapheme-ascii", maxLength: 10 }), fc.constantFrom(...watched));
  fc.assert(
    fc.property(key, (text) => {
      if (watched.includes(text)) assert.ok(look(Place.params, text) >= 0);
      else if (watched.some((name) => name.toLowerCase() === text.toLowerCase())) {
        assert.is(look(Place.params, text), LOOK_ALIKE);
      }
      assert.is(look(Place.params, text) !== NOT_WATCHED, foldsToWatched(Place.params, text.toLowerCase()));
    }),
    { numRuns: 2000 },
  );
});

it("tells letters of two cases from bytes that only differ in the same bit", () => {
  for (let a = 0; a < 128; a++) {
    for (let b = 0; b < 128; b++) {
      const [one, other] = [String.fromCharCode(a), String.fromCharCode(b)];
      if (a !== b) assert.is(sameLetter(a, b), one.toLowerCase() === other.toLowerCase());
    }
  }
});

it("numbers slots without a gap, each once", () => {
  const numbers = Object.values(Slot);
  assert.equal([...numbers].sort((a, b) => a - b), Array.from({ length: SLOT_COUNT }, (_, i) => i));
});

it("knows the kind of object below each slot", () => {
  const places = Object.entries(Slot).map(([name, slot]) => [name, placeOfSlot(slot)] as const);
  assert.equal(Object.fromEntries(places.filter(([, place]) => place !== Place.free)), {
    params: Place.params,
    result: Place.result,
    error: Place.error,
    meta: Place.meta,
    arguments: Place.arguments,
    ref: Place.ref,
    notifications: Place.filter,
  });
});

it.run();
