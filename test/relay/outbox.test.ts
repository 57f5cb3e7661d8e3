import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteStream } from "../../sidecar/platform/platform.ts";
import { Outbox } from "../../sidecar/relay/outbox.ts";

/** The one thing that an outbox does with a stream. */
function recorded(takes = true) {
  const writes: Uint8Array[] = [];
  const stream = { write: (bytes: Uint8Array) => (writes.push(bytes), takes) } as unknown as ByteStream;
  return { writes, stream, outbox: new Outbox(stream) };
}

const texts = (writes: readonly Uint8Array[]) => writes.map((bytes) => Buffer.from(bytes).toString());
const chunk = Buffer.from("one\ntwo\nthree\n");

const it = suite("Outbox");

it("writes neighbouring lines of a chunk as one slice of it, uncopied", () => {
  const { writes, outbox } = recorded();
  outbox.forward(chunk, 0, 4);
  outbox.forward(chunk, 4, 8);
  assert.equal(writes, []);
  outbox.flush();
  assert.equal(texts(writes), ["one\ntwo\n"]);
  assert.is((writes[0] as Uint8Array).buffer, chunk.buffer);
});

it("leaves out the line between two that go on, in one write", () => {
  const { writes, outbox } = recorded();
  outbox.forward(chunk, 0, 4);
  outbox.forward(chunk, 8, 14);
  outbox.flush();
  assert.equal(texts(writes), ["one\nthree\n"]);
});

it("keeps the order of what is forwarded, said and rewritten", () => {
  const { writes, outbox } = recorded();
  outbox.forward(chunk, 0, 4);
  outbox.send("é");
  outbox.sendBytes(Buffer.from("bytes\n"));
  outbox.forward(chunk, 4, 8);
  outbox.flush();
  assert.equal(texts(writes), ["one\né\nbytes\ntwo\n"]);
});

it("does not take lines of another chunk for neighbours", () => {
  const { writes, outbox } = recorded();
  outbox.forward(chunk, 0, 4);
  outbox.forward(Buffer.from("xxx\nyyy\n"), 4, 8);
  outbox.flush();
  assert.equal(texts(writes), ["one\nyyy\n"]);
});

it("writes nothing when there is nothing, and nothing twice", () => {
  const { writes, outbox } = recorded(false);
  assert.ok(outbox.flush());
  outbox.send("a");
  assert.not(outbox.flush());
  assert.ok(outbox.flush());
  assert.equal(texts(writes), ["a\n"]);
});

it("forgets what is discarded", () => {
  const { writes, outbox } = recorded();
  outbox.send("a");
  outbox.forward(chunk, 0, 4);
  outbox.discard();
  outbox.forward(chunk, 4, 8);
  outbox.flush();
  assert.equal(texts(writes), ["two\n"]);
});

it("keeps what is meant for a stream that is still to come", () => {
  const { writes, stream } = recorded();
  const outbox = new Outbox(undefined);
  outbox.forward(chunk, 0, 4);
  outbox.flush();
  outbox.send("a");
  outbox.attach(stream);
  outbox.flush();
  assert.equal(texts(writes).join(""), "one\na\n");
});

it("writes exactly the lines that were forwarded, in whatever runs", () => {
  fc.assert(fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (forwarded) => {
    const { writes, outbox } = recorded();
    const lines = forwarded.map((_, i) => `line ${i}\n`);
    const bytes = Buffer.from(lines.join(""));
    let at = 0;
    lines.forEach((line, i) => {
      if (forwarded[i] === true) outbox.forward(bytes, at, at + line.length);
      at += line.length;
    });
    outbox.flush();
    assert.is(texts(writes).join(""), lines.filter((_, i) => forwarded[i]).join(""));
    assert.ok(writes.length <= 1);
  }));
});

it.run();
