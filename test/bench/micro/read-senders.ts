/**
 * What it costs to know who sent each read: `npx tsx test/bench/micro/read-senders.ts [--json]`, and the same with
 * `npx deno run -A`.
 *
 * One process writes 200 bytes to a socket and waits, blocking, until another echoes them; both on one core. The other
 * reads by one of these:
 *
 * - `plain`: the runtime's own reads. Nobody knows the sender.
 * - `senders`: what `openPeerStream` does on this runtime.
 * - `thread`: recvmsg, woken by a thread in epoll. It is what `openPeerStream` does on Deno.
 * - `signal`: recvmsg, woken by O_ASYNC and SIGIO. Nowhere in use: the flag belongs to the open file, which others share.
 *
 * Nothing is asserted: machines differ, the ratio is what to look at.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { systemCalls } from "../../../sidecar/platform/linux/calls.ts";
import { watchByThread } from "../../../sidecar/platform/linux/epoll-thread.ts";
import { Receiver } from "../../../sidecar/platform/linux/receive.ts";
import { native } from "../../../sidecar/platform/native.ts";
import { openPlatform } from "../../../sidecar/platform/open-platform.ts";
import { moveTo } from "../affinity.ts";
import { interleave, ratioOf, spreadOf } from "../statistics.ts";

const BYTES = 200;
const TRIPS = 1500;
const ROUNDS = 15;
const SO_PASSCRED = 16;

const SUBJECTS = {
  plain: () => echo("openStream"),
  senders: () => echo("openPeerStream"),
  thread() {
    const { read } = ownReader();
    watchByThread(systemCalls(), 0, read, (error) => {
      throw error;
    }).start();
  },
  signal() {
    const { read } = ownReader();
    const fcntl = native().func("int fcntl(int fd, int command, long argument)");
    const [F_SETFL, F_SETOWN, O_RDWR, O_NONBLOCK, O_ASYNC] = [4, 8, 2, 0o4000, 0o20000];
    process.on("SIGIO", read);
    fcntl(0, F_SETOWN, process.pid);
    fcntl(0, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
    // A listener of signals keeps nothing alive.
    setInterval(() => {}, 1 << 30);
    read();
  },
};
type Subject = keyof typeof SUBJECTS;

function echo(kind: "openStream" | "openPeerStream"): void {
  const stream = openPlatform()[kind](0, "both");
  const error = (cause: Error): void => {
    throw cause;
  };
  stream.start({
    data: (chunk) => void stream.write(chunk),
    end: () => stream.destroy(),
    error,
    drain() {},
  });
}

/** Reads all there is by recvmsg, and writes through the runtime's socket, as `openPeerStream` does. */
function ownReader(): { read(): void } {
  const calls = systemCalls();
  calls.setSocketOption(0, SO_PASSCRED, 1);
  const receiver = new Receiver(calls, 0);
  const options = { fd: 0, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: true };
  const socket = new Socket(options);
  const read = (): void => {
    for (;;) {
      const received = receiver.receive(0);
      if (received === "again") return;
      if (received === "end" || received instanceof Error) process.exit();
      socket.write(received.chunk);
    }
  };
  return { read };
}

interface Running {
  readonly child: ChildProcess;
  readonly fd: number;
}

function start(subject: Subject): Running {
  const [fd, theirs] = openPlatform().socketPair();
  const file = fileURLToPath(import.meta.url);
  const tsx = createRequire(import.meta.url).resolve("tsx");
  const options = "Deno" in globalThis ? ["run", "-A"] : ["--import", tsx];
  const child = spawn(process.execPath, [...options, file, "--subject", subject], {
    stdio: [theirs, "ignore", "inherit"],
  });
  openPlatform().closeDescriptor(theirs);
  return { child, fd };
}

async function run(): Promise<void> {
  moveTo("one core");
  const { func } = native();
  const write = func("int64 write(int fd, void *bytes, size_t count)");
  const read = func("int64 read(int fd, void *bytes, size_t count)");
  const out = Buffer.alloc(BYTES, "x");
  const into = Buffer.alloc(BYTES);
  const trips = ({ fd }: Running, count: number): number => {
    const begun = performance.now();
    for (let trip = 0; trip < count; trip++) {
      if (write(fd, out, BYTES) !== BYTES) throw new Error("A subject takes no bytes");
      for (let got = 0; got < BYTES;) {
        const length = read(fd, into, BYTES);
        if (length <= 0) throw new Error("A subject has ended");
        got += length;
      }
    }
    return (performance.now() - begun) * 1000 / count;
  };
  const names = Object.keys(SUBJECTS) as Subject[];
  const running = new Map(names.map((name) => [name, start(name)]));
  try {
    for (const subject of running.values()) trips(subject, 2 * TRIPS);
    const measured = await interleave(
      names,
      ROUNDS,
      (name) => Promise.resolve(trips(running.get(name)!, TRIPS)),
    );
    print(names, measured);
  } finally {
    for (const { child } of running.values()) child.kill("SIGKILL");
  }
}

function print(names: readonly Subject[], measured: ReadonlyMap<Subject, number[]>): void {
  const rows = names.map((name) => {
    const { median, low, high } = spreadOf(measured.get(name)!);
    const { median: ratio } = ratioOf(measured.get(name)!, measured.get("plain")!);
    return { name, us: median, low, high, ratio };
  });
  if (process.argv.includes("--json")) return console.log(JSON.stringify(rows));
  console.table(Object.fromEntries(rows.map(({ name, us, low, high, ratio }) => [name, {
    "µs a round trip": us.toFixed(1),
    spread: `${low.toFixed(1)} to ${high.toFixed(1)}`,
    "× plain": ratio.toFixed(2),
  }])));
}

const subject = process.argv[process.argv.indexOf("--subject") + 1];
if (process.argv.includes("--subject")) SUBJECTS[subject as Subject]();
else await run();
