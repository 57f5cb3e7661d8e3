import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import type { ByteStream } from "../../sidecar/platform/platform.ts";

const test = suite("openStream() and openPeerStream()");
const platform = openPlatform();
/** One contract, two readers. */
const KINDS = ["openStream", "openPeerStream"] as const;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Seen {
  text: string;
  ended: number;
  drained: number;
  readonly errors: Error[];
}

function watch(stream: ByteStream): Seen {
  const seen: Seen = { text: "", ended: 0, drained: 0, errors: [] };
  stream.start({
    data: (chunk) => void (seen.text += chunk.toString("latin1")),
    end: () => void seen.ended++,
    drain: () => void seen.drained++,
    error: (error) => void seen.errors.push(error),
  });
  return seen;
}

type Kind = (typeof KINDS)[number];

function pair(kind: Kind): [ByteStream, ByteStream] {
  const [a, b] = platform.socketPair();
  return [platform[kind](a, "both"), platform[kind](b, "both")];
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (holds()) return;
    await wait(10);
  }
  throw new Error(`Timed out: ${what}`);
}

for (const kind of KINDS) {
  test(`${kind}: nothing is read before start`, async () => {
    const [a, b] = platform.socketPair();
    const reader = platform[kind](b, "both");
    const writer = platform[kind](a, "both");
    watch(writer);
    writer.write(Buffer.from("early"));
    await wait(50);
    assert.ok((platform.unreadBytes(a) ?? 0) > 0, "the kernel still holds the bytes");
    const seen = watch(reader);
    await until("the bytes arrive", () => seen.text === "early");
    assert.is(platform.unreadBytes(a), 0);
    writer.destroy();
    reader.destroy();
  });

  test(`${kind}: pause stops reading and resume goes on`, async () => {
    const [a, b] = pair(kind);
    watch(a);
    const seen = watch(b);
    b.pause();
    a.write(Buffer.from("held"));
    await wait(50);
    assert.is(seen.text, "");
    b.resume();
    await until("the bytes arrive", () => seen.text === "held");
    a.destroy();
    b.destroy();
  });

  test(`${kind}: a reader that stalls makes write say false, counts what is buffered, and drain follows`, async () => {
    const [a, b] = pair(kind);
    const writing = watch(a);
    const reading = watch(b);
    b.pause();
    const block = Buffer.alloc(1 << 20, 97);
    assert.is(a.write(block), false);
    await wait(30);
    assert.ok(a.buffered > 0 && a.buffered <= block.length);
    assert.is(writing.drained, 0);
    b.resume();
    await until("all is read", () => reading.text.length === block.length);
    await until("drain", () => writing.drained === 1);
    assert.is(a.buffered, 0);
    a.destroy();
    b.destroy();
  });

  test(`${kind}: end flushes and half-closes; reading goes on`, async () => {
    const [a, b] = pair(kind);
    const one = watch(a);
    const two = watch(b);
    a.write(Buffer.from("question"));
    a.end();
    await until("end arrives", () => two.ended === 1);
    assert.is(two.text, "question");
    b.write(Buffer.from("answer"));
    b.end();
    await until("the answer arrives", () => one.ended === 1);
    assert.is(one.text, "answer");
    assert.equal([one.errors.length, two.errors.length], [0, 0]);
  });

  test(`${kind}: writing to a peer that has gone is one error, and nothing follows`, async () => {
    const [a, b] = pair(kind);
    const seen = watch(a);
    b.destroy();
    await wait(20);
    for (let count = 0; count < 5; count++) a.write(Buffer.from("x"));
    await until("the error", () => seen.errors.length > 0);
    assert.match((seen.errors[0] as NodeJS.ErrnoException).code ?? "", /^(EPIPE|ECONNRESET)$/);
    a.write(Buffer.from("y"));
    await wait(30);
    assert.is(seen.errors.length, 1);
  });

  test(`${kind}: after destroy no event follows`, async () => {
    const [a, b] = pair(kind);
    watch(a);
    const seen = watch(b);
    a.write(Buffer.from("late"));
    b.destroy();
    await wait(50);
    assert.equal([seen.text, seen.ended, seen.errors.length], ["", 0, 0]);
    a.destroy();
  });

  test(`${kind}: a closed descriptor is refused`, () => {
    assert.throws(
      () => platform[kind](99_999, "read"),
      (e: { code: string }) => e.code === "ERR_CONFIG_INVALID",
    );
  });
}

test.run();
