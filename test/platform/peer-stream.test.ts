/** What `openPeerStream` does beyond the contract in stream.test.ts: it says who sent each read, or refuses it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import type { ByteStream, PeerStream, Sender } from "../../sidecar/platform/platform.ts";
import { fixture, until } from "../attest/fixtures/programs.ts";
import { limited, skipUnless } from "../harness.ts";
import { send, sendRights, sendUrgent, setOption } from "./fixtures/raw-sockets.ts";

const test = suite("openPeerStream()");
const platform = openPlatform();
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const SO_PASSCRED = 16;

interface Seen {
  readonly reads: (readonly [text: string, pid: number | undefined])[];
  readonly senders: Sender[];
  ended: number;
  readonly errors: Error[];
}

function watch(stream: ByteStream): Seen {
  const seen: Seen = { reads: [], senders: [], ended: 0, errors: [] };
  stream.start({
    data(chunk, sender) {
      seen.reads.push([chunk.toString("latin1"), sender?.pid]);
      seen.senders.push(sender);
    },
    end: () => void seen.ended++,
    drain: () => {},
    error: (error) => void seen.errors.push(error),
  });
  return seen;
}

/** A socket of which one end is read with senders, and the other is a plain descriptor. */
async function withReader(
  use: (stream: PeerStream, peer: number, own: number) => unknown,
  direction: "read" | "both" = "read",
): Promise<void> {
  const [own, peer] = platform.socketPair();
  const stream = platform.openPeerStream(own, direction);
  try {
    await use(stream, peer, own);
  } finally {
    stream.destroy();
    platform.closeDescriptor(peer);
  }
}

/** Another process, which sends through this very socket, has done so and is gone. @returns Its pid. */
async function sendFromElsewhere(peer: number, text: string): Promise<number> {
  // Not spawnSync: Deno's takes no descriptors.
  const child = spawn("sh", ["-c", `printf %s '${text}'`], { stdio: ["ignore", peer, "inherit"] });
  await once(child, "exit");
  return child.pid!;
}

/** CPU time of this process while it should have nothing to do. */
async function busyMs(ms: number): Promise<number> {
  const before = process.cpuUsage();
  await wait(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

test("each read names its sender, as the kernel knows it", () =>
  withReader(async (stream, peer) => {
    assert.is(stream.namesSenders, true);
    send(peer, "mine");
    const seen = watch(stream);
    await until("the bytes arrive", () => seen.reads.length > 0);
    assert.equal(seen.reads, [["mine", process.pid]]);
    assert.equal(seen.senders, [{ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() }]);
  }));

test("one read never mixes senders", () =>
  withReader(async (stream, peer) => {
    send(peer, "a");
    send(peer, "b");
    const first = await sendFromElsewhere(peer, "c");
    send(peer, "d");
    const second = await sendFromElsewhere(peer, "e");
    assert.is(stream.waiting(), 5);
    const seen = watch(stream);
    await until("all arrives", () => seen.reads.map(([text]) => text).join("") === "abcde");
    assert.equal(seen.reads, [["ab", process.pid], ["c", first], ["d", process.pid], ["e", second]]);
    assert.is(stream.waiting(), 0);
  }));

test("what was sent before senders were asked for has nobody's pid", async () => {
  const [own, peer] = platform.socketPair();
  send(peer, "early");
  const stream = platform.openPeerStream(own, "read");
  send(peer, "late");
  const seen = watch(stream);
  await until("all arrives", () => seen.reads.length === 2);
  assert.equal(seen.reads, [["early", 0], ["late", process.pid]]);
  stream.destroy();
  platform.closeDescriptor(peer);
});

test("chunks are the receiver's to keep", () =>
  withReader(async (stream, peer) => {
    const chunks: Buffer[] = [];
    stream.start({ data: (chunk) => void chunks.push(chunk), end() {}, error() {}, drain() {} });
    for (const text of ["one", "two".repeat(3000), "three"]) {
      send(peer, text);
      await until(text, () => Buffer.concat(chunks).toString().endsWith(text));
    }
    assert.is(Buffer.concat(chunks).toString(), `one${"two".repeat(3000)}three`);
  }));

for (const copies of [1, 2, 5, 253]) {
  test(`${copies} passed descriptors: none stays, and the stream fails`, () =>
    withReader(async (stream, peer) => {
      const seen = watch(stream);
      await wait(20);
      const before = openDescriptors();
      sendRights(peer, "take this", peer, copies);
      await until("the error", () => seen.errors.length === 1);
      assert.equal(seen.reads, []);
      assert.is((seen.errors[0] as { code?: string }).code, "ERR_PEER_UNIDENTIFIED");
      assert.ok(openDescriptors() <= before);
    }));
}

test("passed descriptors that wait before senders were asked for: none stays, and the stream fails", async () => {
  const [own, peer] = platform.socketPair();
  sendRights(peer, "take this", peer, 5);
  const stream = platform.openPeerStream(own, "read");
  const before = openDescriptors();
  const seen = watch(stream);
  await until("the error", () => seen.errors.length === 1);
  assert.equal(seen.reads, []);
  // The stream's own is closed; on Deno the waiting thread has two of its own.
  assert.ok(openDescriptors() <= before + 1);
  platform.closeDescriptor(peer);
});

test("whoever holds our end turns senders off: refused, not read without", () =>
  withReader(async (stream, peer, own) => {
    assert.is(setOption(own, SO_PASSCRED, 0), 0);
    const seen = watch(stream);
    send(peer, "unnamed");
    await until("the error", () => seen.errors.length === 1);
    assert.equal(seen.reads, []);
    assert.is((seen.errors[0] as { code?: string }).code, "ERR_PEER_UNIDENTIFIED");
  }));

test("whoever made our end asked for pidfds and labels: read all the same, and no descriptor is left", async () => {
  const [own, peer] = platform.socketPair();
  setOption(own, 76, 1); // SO_PASSPIDFD
  setOption(own, 34, 1); // SO_PASSSEC
  const stream = platform.openPeerStream(own, "read");
  const seen = watch(stream);
  send(peer, "a");
  await until("the first byte", () => seen.reads.length === 1);
  const before = openDescriptors();
  for (let count = 0; count < 20; count++) {
    send(peer, "b");
    await until("the next byte", () => seen.reads.length === count + 2);
  }
  assert.ok(openDescriptors() < before + 10);
  assert.equal(seen.errors, []);
  stream.destroy();
  platform.closeDescriptor(peer);
});

test("an urgent byte neither keeps us busy nor loses its neighbours", () =>
  withReader(async (stream, peer) => {
    const seen = watch(stream);
    send(peer, "a");
    if (skipUnless(sendUrgent(peer), "this kernel has no urgent bytes on Unix sockets")) return;
    await until("what came before", () => seen.reads.map(([text]) => text).join("").startsWith("a"));
    await wait(50);
    assert.ok(await busyMs(300) < 100, "it does not spin");
    send(peer, "b");
    await until("what follows", () => seen.reads.map(([text]) => text).join("").endsWith("b"));
    assert.ok(seen.reads.every(([, pid]) => pid === process.pid));
    assert.equal(seen.errors, []);
  }));

test("waiting counts what was sent and not delivered, started or not, paused or not", () =>
  withReader(async (stream, peer) => {
    assert.is(stream.waiting(), 0);
    send(peer, "12345");
    assert.is(stream.waiting(), 5);
    const seen = watch(stream);
    await until("delivered", () => seen.reads.length === 1);
    assert.is(stream.waiting(), 0);
    stream.pause();
    send(peer, "678");
    await wait(30);
    assert.is(stream.waiting(), 3);
    assert.is(seen.reads.length, 1);
    stream.destroy();
    assert.is(stream.waiting(), 0);
  }));

test("paused with bytes waiting, or hung up on: nothing spins", () =>
  withReader(async (stream, peer) => {
    const seen = watch(stream);
    stream.pause();
    send(peer, "held");
    await wait(30);
    assert.ok(await busyMs(300) < 100, "paused");
    stream.resume();
    await until("delivered", () => seen.reads.length === 1);
    const [own, gone] = platform.socketPair();
    const half = platform.openPeerStream(own, "both");
    const ended = watch(half);
    platform.closeDescriptor(gone);
    await until("the end is noticed without writing", () => ended.ended === 1);
    assert.ok(await busyMs(300) < 100, "hung up on");
    half.destroy();
  }));

test("pause and resume within a delivery are obeyed", () =>
  withReader(async (stream, peer) => {
    const texts: string[] = [];
    stream.start({
      data(chunk) {
        texts.push(chunk.toString());
        stream.pause();
        setTimeout(() => stream.resume(), 5);
        stream.resume();
        stream.pause();
      },
      end() {},
      error() {},
      drain() {},
    });
    for (let index = 0; index < 20; index++) {
      send(peer, `<${index}>`);
      await wait(3);
    }
    await until("all arrives", () =>
      texts.join("") === Array.from({ length: 20 }, (_, i) => `<${i}>`).join(""));
  }));

test("destroy within a delivery: nothing follows", () =>
  withReader(async (stream, peer) => {
    let reads = 0;
    send(peer, "a");
    await sendFromElsewhere(peer, "b");
    stream.start({
      data() {
        reads++;
        stream.destroy();
      },
      end: () => void (reads += 100),
      error: () => void (reads += 1000),
      drain() {},
    });
    await wait(50);
    assert.is(reads, 1);
  }));

test("a peer that leaves our bytes unread: what it sent is read first, then the error", () =>
  withReader(async (stream, peer) => {
    stream.write(Buffer.from("unread"));
    send(peer, "last words");
    platform.closeDescriptor(peer);
    const seen = watch(stream);
    await until("the error", () => seen.errors.length === 1);
    assert.equal(seen.reads, [["last words", process.pid]]);
    assert.is((seen.errors[0] as { code?: string }).code, "ECONNRESET");
    await wait(30);
    assert.equal([seen.errors.length, seen.ended], [1, 0]);
  }, "both"));

test("the descriptor is closed once, whatever is called how often", async () => {
  const before = openDescriptors();
  for (const direction of ["read", "both"] as const) {
    const [own, peer] = platform.socketPair();
    const stream = platform.openPeerStream(own, direction);
    watch(stream);
    stream.destroy();
    await until("closed", () => platform.describe(own).kind === "closed");
    // The kernel gives the lowest free number: these take the one that was just closed.
    const next = platform.socketPair();
    stream.destroy();
    stream.pause();
    stream.resume();
    if (direction === "both") stream.end();
    await wait(20);
    for (const fd of [...next, peer]) {
      assert.is(platform.describe(fd).kind, "socket");
      platform.closeDescriptor(fd);
    }
  }
  // On Deno the waiting thread keeps an epoll and an event descriptor.
  assert.ok(openDescriptors() <= before + 2);
});

test("both ends done: the descriptor is closed without being asked", async () => {
  const [own, peer] = platform.socketPair();
  const stream = platform.openPeerStream(own, "both");
  const seen = watch(stream);
  platform.closeDescriptor(peer);
  await until("the end", () => seen.ended === 1);
  assert.is(platform.describe(own).kind, "socket");
  stream.end();
  await until("closed", () => platform.describe(own).kind === "closed");
  assert.equal(seen.errors, []);
});

test("what is no Unix stream socket names nobody, and is read as ever", async () => {
  const [own, end] = platform.pipe();
  const stream = platform.openPeerStream(own, "read");
  assert.is(stream.namesSenders, false);
  const seen = watch(stream);
  const writer = platform.openStream(end, "write");
  writer.write(Buffer.from("piped"));
  await until("it arrives", () => seen.reads.length === 1);
  assert.equal([seen.reads[0], stream.waiting()], [["piped", undefined], undefined]);
  writer.destroy();
  stream.destroy();
  const [one, other] = platform.socketPair();
  assert.is(platform.openPeerStream(one, "write").namesSenders, false, "for writing only");
  platform.closeDescriptor(other);
});

test(
  "500 sockets at once: every line arrives, from its sender",
  limited(60_000, async () => {
    const pairs = Array.from({ length: 500 }, () => platform.socketPair());
    const streams = pairs.map(([own]) => platform.openPeerStream(own, "both"));
    const seen = streams.map(watch);
    for (let round = 0; round < 3; round++) {
      pairs.forEach(([, peer], index) => send(peer, `${round}:${index};`));
      await until(
        `round ${round}`,
        () =>
          seen.every(({ reads }, index) =>
            reads.map(([text]) => text).join("").endsWith(`${round}:${index};`)
          ),
      );
    }
    assert.ok(
      seen.every(({ reads, errors }) => errors.length === 0 && reads.every(([, pid]) => pid === process.pid)),
    );
    pairs.forEach(([, peer]) => platform.closeDescriptor(peer));
    await until("all hang up", () => seen.every(({ ended }) => ended === 1));
    streams.forEach((stream) => stream.destroy());
  }),
);

for (
  const [state, alive] of [["started", true], ["paused", true], ["ended", false], [
    "destroyed",
    false,
  ]] as const
) {
  test(`a stream that is ${state} ${alive ? "keeps the process alive" : "lets the process end"}`, () => {
    const [program, ...args] = fixture("../../platform/fixtures/keeps-alive.ts", state);
    const run = spawnSync(program!, args, { timeout: 30_000 });
    assert.is(run.stdout.toString(), alive ? "alive\n" : "");
    assert.is(run.status, 0);
  });
}

test(
  "standard input that was inherited: its senders are the parent, and whoever has the parent's end",
  limited(30_000, async () => {
    const [own, peer] = platform.socketPair();
    const [program, ...args] = fixture("../../platform/fixtures/reads-stdin.ts");
    const child = spawn(program!, args, { stdio: [own, "pipe", "inherit"] });
    let output = "";
    child.stdout!.on("data", (chunk: Buffer) => void (output += chunk.toString()));
    await until("it is open", () => output === "open\n");
    send(peer, "hello");
    await until("it is read", () => output.endsWith("hello\n"));
    const elsewhere = await sendFromElsewhere(peer, "bye");
    await until("it is read, too", () => output.endsWith("bye\n"));
    platform.closeDescriptor(peer);
    await once(child, "exit");
    assert.is(output, `open\n${process.pid} hello\n${elsewhere} bye\nend\n`);
  }),
);

test.run();
