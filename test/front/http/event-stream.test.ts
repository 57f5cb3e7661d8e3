/** Streams of events that outlive the responses that carry them. */
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EventLog, EventStream } from "../../../sidecar/front/http/session/event-stream.ts";

/** A response without a connection: a test reads what was written, and breaks it off. */
class FakeResponse extends EventEmitter {
  text = "";
  ended = false;
  readonly writableLength = 1;

  writeHead(): void {}

  write(bytes: Buffer): boolean {
    this.text += bytes.toString();
    return true;
  }

  end(): void {
    this.ended = true;
    this.emit("close");
  }

  get numbers(): string[] {
    return [...this.text.matchAll(/^data: \{"n":(\d+)/gm)].map((it) => it[1]!);
  }
}

const stream = suite("EventStream");

function open(log: EventLog | undefined = new EventLog()): EventStream {
  return new EventStream({ log, key: "s", wrote: () => {} });
}

function send(to: EventStream, ...numbers: readonly number[]): void {
  for (const n of numbers) to.send(Buffer.from(JSON.stringify({ n })));
}

function attach(to: EventStream, options?: { after: number }): FakeResponse {
  const res = new FakeResponse();
  to.attach(res as unknown as ServerResponse, {}, options);
  return res;
}

stream("what nobody was there for waits, and is given once", () => {
  const events = open();
  send(events, 1, 2);
  const first = attach(events);
  send(events, 3);
  assert.equal(first.numbers, ["1", "2", "3"]);
  first.end();
  send(events, 4);
  const second = attach(events);
  assert.equal(second.numbers, ["4"]);
  second.end();
});

stream("who says what it has gets what followed", () => {
  const events = open();
  const first = attach(events);
  send(events, 1, 2, 3);
  first.end();
  const second = attach(events, { after: 1 });
  assert.equal(second.numbers, ["2", "3"]);
  events.finish();
  assert.ok(second.ended);
  assert.equal(attach(events, { after: 2 }).numbers, ["3"], "also after its end");
});

stream("a second response takes the place of the first", () => {
  const events = open();
  const [first, second] = [attach(events), attach(events)];
  send(events, 1);
  assert.equal([first.ended, first.numbers, second.numbers], [true, [], ["1"]]);
  events.finish();
});

stream("what is kept is bounded over all streams of a session, and a gap is known", () => {
  const log = new EventLog();
  const [one, other] = [open(log), open(log)];
  send(one, 1, 2);
  const big = "x".repeat(1024 * 1024);
  for (let n = 0; n < 5; n++) other.send(Buffer.from(JSON.stringify({ n, big })));
  assert.not(one.remembers(0));
  assert.ok(one.remembers(2));
  assert.not(one.remembers(3), "it was never sent");
  assert.not(other.remembers(0));
  assert.ok(other.remembers(4));
});

stream("without a log nothing is kept and no event has an id", () => {
  const events = new EventStream({ log: undefined, key: "", wrote: () => {} });
  const res = attach(events);
  send(events, 1);
  assert.not(/^id:/m.test(res.text));
  events.finish();
  assert.equal(attach(events, { after: 0 }).numbers, []);
});
stream.run();
