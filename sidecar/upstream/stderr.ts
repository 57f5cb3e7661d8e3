/**
 * The child's stderr with a prefix on every line, written to ours.
 *
 * One chunk is in our memory at a time: the next is read when the last was taken, so a server that floods its log is
 * slowed down by whoever reads ours, as it would be without a guard. Control characters pass as they are: the terminal
 * sees what it would see without us. Lines are not collected; a partial line goes on at once.
 */
import type { ByteStream, Platform } from "../platform/platform.ts";

export interface ForwardedStderr {
  /** Settles at the end of the child's stderr; never rejects. */
  readonly over: Promise<void>;
  close(): void;
}

/** @param fd Our end of the child's stderr; owned from now on. */
export function forwardStderr(platform: Platform, fd: number, prefix: string): ForwardedStderr {
  const source = platform.openStream(fd, "read");
  const write = sink ??= openSink(platform);
  const prefixed = linePrefixer(prefix);
  let settle = () => {};
  const over = new Promise<void>((resolve) => settle = resolve);
  const close = () => {
    source.destroy();
    settle();
  };
  source.start({
    data(chunk) {
      source.pause();
      write(prefixed(chunk), () => source.resume());
    },
    end: close,
    error: close,
    drain() {},
  });
  return { over, close };
}

/** Puts the prefix before the first byte of each line, whatever the chunks are. */
export function linePrefixer(prefix: string): (chunk: Uint8Array) => Buffer {
  const mark = Buffer.from(prefix);
  let atStart = true;
  return (chunk) => {
    const pieces: Uint8Array[] = [];
    let from = 0;
    while (from < chunk.length) {
      if (atStart) pieces.push(mark);
      const newline = chunk.indexOf(0x0a, from);
      atStart = newline >= 0;
      const to = atStart ? newline + 1 : chunk.length;
      pieces.push(chunk.subarray(from, to));
      from = to;
    }
    return Buffer.concat(pieces);
  };
}

type Sink = (bytes: Buffer, taken: () => void) => void;

let sink: Sink | undefined;

/**
 * Our stderr, opened once for the life of the guard. Takes bytes, and calls back when it wants more.
 *
 * Not `process.stderr` where it can block: Deno writes that one synchronously, and a client that does not read our log
 * would freeze the guard. A pipe is opened anew, so that O_NONBLOCK is not set on the description that we share with
 * others. A socket cannot be reopened, and is a description that our parent made for us.
 */
function openSink(platform: Platform): Sink {
  const stream = openStream(platform);
  if (stream !== undefined) return streamSink(stream);
  // Nobody reads our log any more: that must not end the guard. The callback tells of it too.
  process.stderr.on("error", () => {});
  return (bytes, taken) => void process.stderr.write(bytes, () => taken());
}

function streamSink(stream: ByteStream): Sink {
  const waiting: (() => void)[] = [];
  const wake = () => waiting.splice(0).forEach((taken) => taken());
  let broken = false;
  stream.start({
    data() {},
    end() {},
    drain: wake,
    // Nobody reads our log any more: the child's is read on and dropped, or the child would stop in its next write.
    error() {
      broken = true;
      wake();
    },
  });
  return (bytes, taken) => {
    if (broken || stream.write(bytes)) taken();
    else waiting.push(taken);
  };
}

function openStream(platform: Platform): ByteStream | undefined {
  const { kind } = platform.describe(2);
  if (kind === "socket") return platform.openStream(2, "write");
  // Another user's pipe cannot be opened: process.stderr deals with that, and with terminals and files.
  const fd = kind === "pipe" ? platform.reopenForWriting(2) : undefined;
  return fd === undefined ? undefined : platform.openStream(fd, "write");
}
