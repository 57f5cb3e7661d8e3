/**
 * Byte streams over descriptors, with explicit flow control and at most one error.
 *
 * This first version reads through libuv, which does not ask the kernel who sent the bytes: `sender` is always
 * undefined. A reader by recvmsg with SCM_CREDENTIALS takes the place of {@linkcode socketStream} for sockets: nothing
 * above `openStream` changes, since flow control, end and errors are already in these words.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { Socket } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import type { ByteStream, Descriptor, PeerStream, StreamDirection, StreamEvents } from "./platform.ts";

interface Ends {
  readonly readable: Readable | undefined;
  readonly writable: Writable | undefined;
}

/** Takes ownership of the descriptor. `kind` is what `describe` said of it. */
export function openDescriptorStream(
  fd: number,
  kind: Descriptor["kind"],
  direction: StreamDirection,
): ByteStream {
  const reads = direction !== "write";
  const writes = direction !== "read";
  if (kind === "socket" || kind === "pipe") return new StreamPair(socketStream(fd, reads, writes));
  if (kind === "tty") {
    // Loaded when there is a terminal: a client's start does not wait for it.
    const { ReadStream, WriteStream } = process.getBuiltinModule("node:tty");
    return new StreamPair({
      readable: reads ? new ReadStream(fd).pause() : undefined,
      writable: writes ? new WriteStream(fd) : undefined,
    });
  }
  return new StreamPair({
    readable: reads ? createReadStream("", { fd, autoClose: true }) : undefined,
    writable: writes ? createWriteStream("", { fd, autoClose: true }) : undefined,
  });
}

/** A stream of which nobody says who sends: what reads by recvmsg takes its place for Unix sockets. */
export function withoutSenders(stream: ByteStream): PeerStream {
  return Object.assign(stream, { namesSenders: false, waiting: () => undefined });
}

/**
 * A socket or pipe. Not `process.stdout`: node writes that one synchronously on pipes and sockets, so a peer that does
 * not read would freeze the whole guard, its other sessions and its timers with it.
 */
function socketStream(fd: number, reads: boolean, writes: boolean): Ends {
  // `pauseOnCreate` is what net.Server gives its own sockets for `pauseOnConnect`: not a byte is read before `start`.
  const options = { fd, readable: reads, writable: writes, allowHalfOpen: true, pauseOnCreate: true };
  const socket: Duplex = new Socket(options);
  return { readable: reads ? socket : undefined, writable: writes ? socket : undefined };
}

class StreamPair implements ByteStream {
  readonly #readable: Readable | undefined;
  readonly #writable: Writable | undefined;
  #events: StreamEvents | undefined;
  #early: Error | undefined;
  #over = false;

  constructor(ends: Ends) {
    this.#readable = ends.readable;
    this.#writable = ends.writable;
    // Listening from the first moment and for ever: an 'error' nobody listens to would end the process.
    this.#readable?.on("error", (error) => this.#fail(error));
    if (this.#writable !== this.#readable) this.#writable?.on("error", (error) => this.#fail(error));
  }

  start(events: StreamEvents): void {
    if (this.#events !== undefined) throw new TypeError("Cannot start a stream twice");
    this.#events = events;
    if (this.#early !== undefined) {
      const error = this.#early;
      queueMicrotask(() => events.error(error));
      return;
    }
    this.#writable?.on("drain", () => this.#over || events.drain());
    this.#readable?.on("end", () => this.#over || events.end());
    this.#readable?.on("data", (chunk: Buffer) => this.#over || events.data(chunk, undefined));
    this.#readable?.resume();
  }

  pause(): void {
    this.#readable?.pause();
  }

  resume(): void {
    if (this.#events !== undefined && !this.#over) this.#readable?.resume();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#writable === undefined) throw new TypeError("Cannot write to a stream opened for reading");
    // After an error or `end` the bytes have nowhere to go; the caller was told, or decided so itself.
    if (this.#over || this.#writable.writableEnded) return true;
    return this.#writable.write(bytes);
  }

  get buffered(): number {
    return this.#over ? 0 : this.#writable?.writableLength ?? 0;
  }

  end(): void {
    if (!this.#over) this.#writable?.end();
  }

  destroy(): void {
    this.#over = true;
    this.#readable?.destroy();
    this.#writable?.destroy();
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.destroy();
    if (this.#events === undefined) this.#early = error;
    else this.#events.error(error);
  }
}
