/**
 * The child's stderr with a prefix on every line, written to ours.
 *
 * One chunk is in our memory at a time: the next is read when the last was taken, so a server that floods its log is
 * slowed down by whoever reads ours, as it would be without a guard. Control characters pass as they are: the terminal
 * sees what it would see without us. Lines are not collected; a partial line goes on at once.
 */
import { constants, openSync } from "node:fs";
import type { ByteStream, Platform } from "../platform/platform.ts";

export interface ForwardedStderr {
  /** Settles at the end of the child's stderr; never rejects. */
  readonly over: Promise<void>;
  close(): void;
}

/** Takes bytes, and calls back when it wants more. */
type Sink = (bytes: Buffer, taken: () => void) => void;

/** @param fd Our end of the child's stderr; owned from now on. */
export function forwardStderr(platform: Platform, fd: number, prefix: string): ForwardedStderr {
  const source = platform.openStream(fd, "read");
  const sink = openSink(platform);
  const prefixed = linePrefixer(prefix);
  let settle = () => {};
  const over = new Promise<void>((resolve) => settle = resolve);
  const close = () => {
    source.destroy();
    sink.close();
    settle();
  };
  source.start({
    data(chunk) {
      source.pause();
      sink.write(prefixed(chunk), () => source.resume());
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

/**
 * Our stderr. A pipe is opened anew, so that it can be written without blocking and without setting O_NONBLOCK on the
 * description that we share with others: Deno writes `process.stderr` synchronously, and a client that does not read
 * our log would freeze the guard. Where stderr is a socket, on Deno, that is still so: a socket cannot be reopened.
 */
function openSink(platform: Platform): { write: Sink; close(): void } {
  const pipe = reopenPipe(platform);
  if (pipe === undefined) {
    // Nobody reads our log any more: that must not end the guard. The callback tells of it too.
    const ignore = () => {};
    process.stderr.on("error", ignore);
    return {
      write: (bytes, taken) => void process.stderr.write(bytes, () => taken()),
      close: () => void process.stderr.off("error", ignore),
    };
  }
  let waiting: (() => void) | undefined;
  const wake = () => {
    const taken = waiting;
    waiting = undefined;
    taken?.();
  };
  let broken = false;
  pipe.start({
    data() {},
    end() {},
    drain: wake,
    // Nobody reads our log any more: the child's is read on and dropped, or the child would stop in its next write.
    error() {
      broken = true;
      wake();
    },
  });
  return {
    write(bytes, taken) {
      if (broken || pipe.write(bytes)) return taken();
      waiting = taken;
    },
    close: () => pipe.end(),
  };
}

function reopenPipe(platform: Platform): ByteStream | undefined {
  if (platform.describe(2).kind !== "pipe") return undefined;
  try {
    const fd = openSync("/proc/self/fd/2", constants.O_WRONLY | constants.O_NONBLOCK);
    return platform.openStream(fd, "write");
  } catch {
    // Another user's pipe, or nobody reads it: process.stderr deals with both.
    return undefined;
  }
}
