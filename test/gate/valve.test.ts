import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Reason, Valve } from "../../sidecar/gate/valve.ts";

function recorded() {
  const calls: string[] = [];
  return {
    calls,
    valve: new Valve({ pause: () => calls.push("pause"), resume: () => calls.push("resume") }),
  };
}

const it = suite("Valve");

it("pauses once and resumes once", () => {
  const { calls, valve } = recorded();
  valve.close("reader-slow");
  valve.close("reader-slow");
  valve.open("reader-slow");
  valve.open("reader-slow");
  assert.equal(calls, ["pause", "resume"]);
});

it("stays closed until the last reason is gone", () => {
  const { calls, valve } = recorded();
  valve.close("reader-slow");
  valve.close("calls-held");
  valve.open("reader-slow");
  assert.equal(calls, ["pause"]);
  valve.open("calls-held");
  assert.equal(calls, ["pause", "resume"]);
});

it("does not resume what it did not pause", () => {
  const { calls, valve } = recorded();
  valve.open("answers-unread");
  assert.equal(calls, []);
});

it("is paused exactly while there is a reason, whatever the order", () => {
  const reasons: Reason[] = ["reader-slow", "answers-unread", "calls-held", "upstream-starting"];
  const steps = fc.array(fc.tuple(fc.boolean(), fc.constantFrom(...reasons)));
  fc.assert(fc.property(steps, (list) => {
    let paused = false;
    const valve = new Valve({
      pause: () => {
        assert.not(paused, "paused twice");
        paused = true;
      },
      resume: () => {
        assert.ok(paused, "resumed twice");
        paused = false;
      },
    });
    const held = new Set<Reason>();
    for (const [close, reason] of list) {
      if (close) {
        valve.close(reason);
        held.add(reason);
      } else {
        valve.open(reason);
        held.delete(reason);
      }
      assert.is(paused, held.size > 0);
    }
  }));
});

it.run();
