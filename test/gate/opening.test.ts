import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Opening } from "../../sidecar/gate/opening.ts";

/**
 * An opening with a clock of its own: `wait` moves it. Only the two things that `Opening` reads from the runtime are
 * replaced, and they are put back.
 */
function withOpening(use: (test: OpeningTest) => void): void {
  const { setInterval, clearInterval } = globalThis;
  const { hrtime } = process;
  let now = 1_000_000;
  let timers: { id: number; every: number; next: number; call: () => void }[] = [];
  let lastId = 0;
  const unref = { unref: () => unref };
  Object.assign(globalThis, {
    setInterval: (call: () => void, every: number) => {
      timers.push({ id: ++lastId, every, next: now + every, call });
      return Object.assign(Object.create(unref) as object, { timer: lastId });
    },
    clearInterval: (handle: { timer: number } | undefined) => {
      timers = timers.filter(({ id }) => id !== handle?.timer);
    },
  });
  process.hrtime = Object.assign((): [number, number] => [Math.floor(now / 1000), (now % 1000) * 1e6], {
    bigint: hrtime.bigint,
  });
  const events: string[] = [];
  let unread: number | undefined = 0;
  const opening = new Opening({
    declineProbe: (id) => events.push(`decline ${JSON.stringify(id)}`),
    respawn: (replay) => events.push(`respawn ${replay?.toString() ?? "-"}`),
    unreadInput: () => unread,
  });
  try {
    use({
      opening,
      events,
      unread: (bytes) => unread = bytes,
      timers: () => timers.length,
      wait: (ms) => {
        for (const end = now + ms; now < end;) {
          now = Math.min(end, ...timers.map(({ next }) => next));
          for (const timer of timers.filter(({ next }) => next <= now)) {
            timer.next += timer.every;
            timer.call();
          }
        }
      },
    });
  } finally {
    Object.assign(globalThis, { setInterval, clearInterval });
    process.hrtime = hrtime;
  }
}

interface OpeningTest {
  readonly opening: Opening;
  readonly events: string[];
  /** How many bytes the server has not read; undefined: the kernel cannot tell. */
  readonly unread: (bytes: number | undefined) => void;
  readonly wait: (ms: number) => void;
  readonly timers: () => number;
}

const INITIALIZE = Buffer.from("initialize");
const it = suite("Opening");
const test = (title: string, use: (test: OpeningTest) => void) => it(title, () => withOpening(use));

test("leaves a legacy opening alone", ({ opening, events, wait, timers }) => {
  opening.initialized(INITIALIZE);
  wait(60_000);
  assert.equal(events, []);
  assert.is(timers(), 0);
  assert.not(opening.upstreamExited());
});

test("leaves a probe alone that the server answers", ({ opening, events, wait, timers }) => {
  opening.probed(0);
  wait(1_000);
  opening.answered();
  wait(60_000);
  assert.equal(events, []);
  assert.is(timers(), 0);
  assert.not(opening.upstreamExited());
});

test("declines the probe of a server that has read it and stays silent", ({ opening, events, wait, timers }) => {
  opening.probed("p");
  wait(1_900);
  assert.equal(events, []);
  wait(300);
  assert.equal(events, ['decline "p"']);
  wait(60_000);
  assert.equal(events, ['decline "p"']);
  assert.is(timers(), 0);
});

test("gives a server time that has not read the probe yet", ({ opening, events, unread, wait }) => {
  unread(200);
  opening.probed(0);
  wait(30_000);
  assert.equal(events, []);
  unread(0);
  wait(1_900);
  assert.equal(events, []);
  wait(400);
  assert.equal(events, ["decline 0"]);
});

test("counts silence where the kernel cannot tell what was read", ({ opening, events, unread, wait }) => {
  unread(undefined);
  opening.probed(0);
  wait(2_300);
  assert.equal(events, ["decline 0"]);
});

test("starts a server anew that exits on the probe, once", ({ opening, events }) => {
  opening.probed(0);
  assert.ok(opening.upstreamExited());
  assert.equal(events, ["decline 0", "respawn -"]);
  assert.not(opening.upstreamExited());
  assert.equal(events.length, 2);
});

test("declines a probe that the client does not wait for, and keeps the server", ({ opening, events, wait }) => {
  opening.probed(0);
  opening.initialized(INITIALIZE);
  assert.equal(events, ["decline 0"]);
  opening.answered();
  wait(60_000);
  assert.equal(events, ["decline 0"]);
});

test("starts a server anew that ignores initialize after a probe, and sends it again", ({ opening, events, wait, timers }) => {
  opening.probed(0);
  wait(2_300);
  opening.initialized(INITIALIZE);
  wait(1_900);
  assert.equal(events, ["decline 0"]);
  wait(400);
  assert.equal(events, ["decline 0", "respawn initialize"]);
  wait(60_000);
  assert.equal(events.length, 2);
  assert.is(timers(), 0);
});

test("starts a server anew that exits on initialize after a probe", ({ opening, events }) => {
  opening.probed(0);
  opening.initialized(INITIALIZE);
  assert.ok(opening.upstreamExited());
  assert.equal(events, ["decline 0", "respawn initialize"]);
});

test("does not start a server anew that exits later", ({ opening, events }) => {
  opening.probed(0);
  opening.initialized(INITIALIZE);
  opening.answered();
  assert.not(opening.upstreamExited());
  assert.equal(events, ["decline 0"]);
});

test("knows the late answer to a probe that was declined, and no other", ({ opening, wait }) => {
  opening.probed(0);
  assert.not(opening.answeredLate(0));
  wait(2_300);
  assert.not(opening.answeredLate(1));
  assert.not(opening.answeredLate("0"));
  assert.ok(opening.answeredLate(0));
});

test("does nothing after the session's end", ({ opening, events, wait, timers }) => {
  opening.probed(0);
  opening.close();
  wait(60_000);
  assert.equal(events, []);
  assert.is(timers(), 0);
});

it.run();
