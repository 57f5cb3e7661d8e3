import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HeldRequests, type HeldUntil } from "../../sidecar/gate/held-requests.ts";

const texts = (lines: readonly Buffer[]) => lines.map((line) => line.toString());

const it = suite("HeldRequests");

it("gives back what waited for one thing, in the order it came", () => {
  const held = new HeldRequests();
  held.hold(1, Buffer.from("one"), "caller");
  held.hold(2, Buffer.from("two"), "tools");
  held.hold(3, Buffer.from("three"), "caller");
  assert.equal(texts(held.take("caller")), ["one", "three"]);
  assert.equal(held.take("caller"), []);
  assert.equal(texts(held.take("tools")), ["two"]);
});

it("keeps a copy: the buffer that a line came in is used again", () => {
  const held = new HeldRequests();
  const chunk = Buffer.from("before line behind");
  held.hold(1, chunk.subarray(7, 11), "tools");
  chunk.fill("x");
  assert.equal(texts(held.take("tools")), ["line"]);
});

it('forgets the request that is released, and tells 1 from "1"', () => {
  const held = new HeldRequests();
  held.hold(1, Buffer.from("number"), "tools");
  held.hold("1", Buffer.from("string"), "tools");
  assert.not(held.release(2));
  assert.ok(held.release("1"));
  assert.not(held.release("1"));
  assert.ok(held.has(1));
  assert.not(held.has("1"));
  assert.equal(texts(held.take("tools")), ["number"]);
});

it("drains the ids of all, in order", () => {
  const held = new HeldRequests();
  held.hold("a", Buffer.from("x"), "tools");
  held.hold(0, Buffer.from("y"), "caller");
  assert.equal(held.drain(), ["a", 0]);
  assert.is(held.bytes, 0);
  assert.equal(held.drain(), []);
});

it("counts the bytes it keeps, whatever happens to them", () => {
  const step = fc.oneof(
    fc.record({
      hold: fc.nat({ max: 9 }),
      size: fc.nat({ max: 50 }),
      until: fc.constantFrom<HeldUntil>("caller", "tools"),
    }),
    fc.record({ release: fc.nat({ max: 9 }) }),
    fc.record({ take: fc.constantFrom<HeldUntil>("caller", "tools") }),
  );
  fc.assert(fc.property(fc.array(step), (steps) => {
    const held = new HeldRequests();
    const model = new Map<number, { size: number; until: HeldUntil }>();
    for (const act of steps) {
      if ("hold" in act) {
        if (model.has(act.hold)) continue;
        held.hold(act.hold, Buffer.alloc(act.size), act.until);
        model.set(act.hold, act);
      } else if ("release" in act) assert.is(held.release(act.release), model.delete(act.release));
      else {
        const wanted = [...model].filter(([, { until }]) => until === act.take);
        assert.equal(held.take(act.take).map(({ length }) => length), wanted.map(([, { size }]) => size));
        for (const [id] of wanted) model.delete(id);
      }
      assert.is(held.bytes, [...model.values()].reduce((sum, { size }) => sum + size, 0));
    }
  }));
});

it.run();
