import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { idText, type Pending, PendingTable, type RpcId } from "../../sidecar/gate/pending.ts";

function pending(id: RpcId, sentTick = 1): Pending {
  return {
    id,
    method: undefined,
    methodName: "tools/call",
    name: "echo",
    modern: false,
    sentTick,
    sentAt: 0,
    firstPage: false,
    audited: true,
    cancelled: false,
  };
}

const it = suite("PendingTable");

it("gives a request to its answer once", () => {
  const table = new PendingTable(8);
  const request = pending(1);
  table.add(request);
  assert.is(table.take(1, 2), request);
  assert.is(table.take(1, 3), undefined);
  assert.is(table.size, 0);
});

it('tells 1 from "1", and 0 from "0" and ""', () => {
  const table = new PendingTable(8);
  for (const id of [1, "1", 0, "0", ""]) table.add(pending(id));
  assert.is(table.size, 5);
  assert.is(table.take("1", 2)?.id, "1");
  assert.not(table.has("1"));
  assert.ok(table.has(1));
  assert.is(table.take("", 2)?.id, "");
  assert.is(table.take(0, 2)?.id, 0);
  assert.ok(table.has("0"));
});

for (
  const { begun, answers } of [
    { begun: 4, answers: false },
    { begun: 5, answers: false },
    { begun: 6, answers: true },
  ]
) {
  it(`a line that began at ${begun} ${answers ? "answers" : "does not answer"} what was sent at 5`, () => {
    const table = new PendingTable(8);
    table.add(pending("a", 5));
    assert.is(table.take("a", begun) !== undefined, answers);
    // What could not answer has not used up the request.
    assert.is(table.has("a"), !answers);
  });
}

it("is full when as many as the limit wait", () => {
  const table = new PendingTable(2);
  table.add(pending(1));
  assert.not(table.full);
  table.add(pending(2));
  assert.ok(table.full);
  table.take(1, 2);
  assert.not(table.full);
});

it("does not count cancelled requests, and lets their answers come", () => {
  const table = new PendingTable(1);
  const request = pending(1);
  table.add(request);
  table.cancel(request);
  table.cancel(request);
  assert.not(table.full);
  assert.ok(table.has(1));
  assert.is(table.take(1, 2)?.cancelled, true);
  table.add(pending(2));
  assert.ok(table.full);
});

it("remembers only some of the cancelled, and forgets the oldest first", () => {
  const table = new PendingTable(4);
  for (let id = 0; id < 1000; id++) {
    const request = pending(id);
    table.add(request);
    table.cancel(request);
  }
  assert.ok(table.size <= 256, `${table.size} are kept`);
  assert.not(table.has(0));
  assert.ok(table.has(999));
});

it("never forgets one that waits because others are cancelled", () => {
  const table = new PendingTable(4);
  table.add(pending("live"));
  for (let id = 0; id < 1000; id++) {
    const request = pending(id);
    table.add(request);
    table.cancel(request);
  }
  assert.is(table.take("live", 2)?.id, "live");
});

it("drains what is owed an answer, and nothing that was cancelled", () => {
  const table = new PendingTable(8);
  const cancelled = pending(2);
  for (const request of [pending(1), cancelled, pending("3")]) table.add(request);
  table.cancel(cancelled);
  assert.equal(table.drain().map(({ id }) => id), [1, "3"]);
  assert.is(table.size, 0);
  assert.not(table.full);
  assert.equal(table.drain(), []);
});

it("answers each request at most once, whatever the order", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom("add", "take", "cancel"), fc.nat({ max: 5 })), {
    maxLength: 60,
  });
  fc.assert(fc.property(steps, (list) => {
    const table = new PendingTable(8);
    const open = new Set<number>();
    for (const [step, id] of list) {
      const request = table.get(id);
      if (step === "add" && request === undefined) {
        table.add(pending(id));
        open.add(id);
      } else if (step === "take") assert.is(table.take(id, 2) !== undefined, open.delete(id));
      else if (step === "cancel" && request !== undefined) table.cancel(request);
      assert.is(table.size, open.size);
    }
  }));
});

for (
  const { id, text } of [
    { id: 1, text: "1" },
    { id: -7, text: "-7" },
    { id: "1", text: '"1"' },
    { id: 'a"\\\n', text: '"a\\"\\\\\\n"' },
    { id: "\ud83d", text: '"\\ud83d"' },
    { id: 2 ** 53 - 1, text: "9007199254740991" },
  ]
) {
  it(`writes the id ${text}`, () => assert.is(idText(id), text));
}

it.run();
