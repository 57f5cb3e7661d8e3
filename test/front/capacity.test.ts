import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Capacity, type Seat } from "../../sidecar/front/capacity.ts";

const it = suite("Capacity");

function taken(seat: Seat | string): Seat {
  if (typeof seat === "string") throw new Error(`Expected a seat, but it is ${seat}`);
  return seat;
}

it("has as many seats as it was told, those that wait included", () => {
  const capacity = new Capacity(() => 2);
  const first = taken(capacity.take(1));
  taken(capacity.take(2)).decided();
  assert.is(capacity.take(3), "too-many-sessions");
  first.leave();
  taken(capacity.take(3));
  assert.is(capacity.take(3), "too-many-sessions");
});

it("lets one account wait for sixteen, and others beside it", () => {
  const capacity = new Capacity(() => 100);
  const seats = Array.from({ length: 16 }, () => taken(capacity.take(1)));
  assert.is(capacity.take(1), "too-many-admissions");
  taken(capacity.take(2));
  seats[0]!.decided();
  taken(capacity.take(1));
  assert.is(capacity.take(1), "too-many-admissions");
});

it("counts nobody twice who is decided upon and then leaves", () => {
  const capacity = new Capacity(() => 1);
  for (let round = 0; round < 40; round++) {
    const seat = taken(capacity.take(1));
    seat.decided();
    seat.decided();
    seat.leave();
  }
  taken(capacity.take(1));
});

it.run();
