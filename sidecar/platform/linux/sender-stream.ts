/**
 * A Unix socket whose every read names its sender.
 *
 * Reading is our own recvmsg; writing goes through the runtime's socket, which owns the descriptor where there is one.
 */
import { Socket } from "node:net";
import type { PeerStream, StreamEvents } from "../platform.ts";
import { type Calls, FIONREAD } from "./calls.ts";
import { watchByThread } from "./epoll-thread.ts";
import { type Readiness, watchByHandle } from "./readiness.ts";
import type { Receiver } from "./receive.ts";

/**
 * An answer often wakes a peer that sends the next request at once: found here, it spares a wait. Few, since all other
 * sockets wait meanwhile.
 */
const MAX_READS = 4;
const LARGE_READ = 8192;
/** Longer than any session; the longest that a timer can be. */
const FOR_EVER = 2 ** 31 - 1;

export interface SenderStreamParts {
  readonly calls: Calls;
  readonly receiver: Receiver;
}

export class SenderStream implements PeerStream {
  readonly namesSenders = true;
  readonly #fd: number;
  readonly #calls: Calls;
  readonly #receiver: Receiver;
  readonly #socket: OwningSocket | undefined;
  readonly #readiness: Readiness;
  readonly #writes: boolean;
  #events: StreamEvents | undefined;
  #early: Error | undefined;
  #alive: NodeJS.Timeout | undefined;
  #flowing = false;
  /** The other end will send no more. */
  #ended = false;
  #over = false;
  #closed = false;

  /** @param fd A Unix stream socket that was asked to name senders. From here on it is closed by this stream. */
  constructor(fd: number, writes: boolean, { calls, receiver }: SenderStreamParts) {
    this.#fd = fd;
    this.#calls = calls;
    this.#receiver = receiver;
    this.#writes = writes;
    const readable = (): void => this.#read();
    const failed = (error: Error): void => this.#fail(error);
    if (writes || !("Deno" in globalThis)) {
      this.#socket = new OwningSocket(fd, () => this.#release());
      this.#socket.on("error", failed);
      this.#socket.on("finish", () => this.#ended && this.destroy());
    }
    const own = this.#socket === undefined ? undefined : watchByHandle(this.#socket, readable, failed);
    this.#readiness = own ?? watchByThread(calls, fd, readable, failed);
  }

  start(events: StreamEvents): void {
    if (this.#events !== undefined) throw new TypeError("Cannot start a stream twice");
    this.#events = events;
    if (this.#early !== undefined) {
      const error = this.#early;
      queueMicrotask(() => events.error(error));
      return;
    }
    if (this.#over) return;
    this.#socket?.on("drain", () => this.#over || events.drain());
    // A socket that is paused, or watched by the thread, is nothing that an event loop waits for.
    this.#alive = setInterval(() => {}, FOR_EVER);
    this.resume();
  }

  pause(): void {
    if (!this.#flowing) return;
    this.#flowing = false;
    this.#readiness.stop();
  }

  resume(): void {
    if (this.#flowing || this.#events === undefined || this.#ended || this.#closed) return;
    try {
      this.#readiness.start();
      this.#flowing = true;
    } catch (error) {
      // Not from within the caller's call: it may be halfway through something.
      queueMicrotask(() => this.#fail(error as Error));
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket === undefined || !this.#writes) {
      throw new TypeError("Cannot write to a stream opened for reading");
    }
    // After an error or `end` the bytes have nowhere to go; the caller was told, or decided so itself.
    if (this.#over || this.#socket.writableEnded) return true;
    return this.#socket.write(bytes);
  }

  get buffered(): number {
    return this.#over ? 0 : this.#socket?.writableLength ?? 0;
  }

  end(): void {
    if (this.#writes && !this.#over) this.#socket?.end();
  }

  destroy(): void {
    this.#over = true;
    this.#close();
  }

  waiting(): number | undefined {
    return this.#closed ? 0 : this.#calls.count(this.#fd, FIONREAD);
  }

  #read(): void {
    for (let reads = 0; reads < MAX_READS && this.#flowing; reads++) {
      const received = this.#receiver.receive(this.#fd);
      if (received === "again") return;
      if (received === "end") return this.#endOfInput();
      if (received instanceof Error) return this.#fail(received);
      if (received.descriptors.length > 0) this.#events?.descriptors?.(received.descriptors);
      this.#events?.data(received.chunk, received.sender);
      // After a large one the runtime has its turn, to free what was read before. What is left is told again.
      if (received.chunk.length > LARGE_READ) return;
    }
  }

  #endOfInput(): void {
    this.pause();
    this.#ended = true;
    clearInterval(this.#alive);
    this.#events?.end();
    if (!this.#writes || this.#socket?.writableFinished === true) this.destroy();
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.destroy();
    if (this.#events === undefined) this.#early = error;
    else this.#events.error(error);
  }

  #close(): void {
    if (this.#socket !== undefined) return void this.#socket.destroy();
    if (this.#closed) return;
    this.#release();
    this.#calls.close(this.#fd);
  }

  /** Lets go of the descriptor. Called before it is closed, whoever closes it. */
  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#flowing = false;
    clearInterval(this.#alive);
    this.#readiness.close();
  }
}

/** The runtime's socket, for writing and closing. It closes itself after a write that fails: it tells before that. */
class OwningSocket extends Socket {
  readonly #closing: () => void;

  constructor(fd: number, closing: () => void) {
    // `pauseOnCreate`: the runtime must not read a byte. It is opened for reading all the same, since a socket that
    // only writes would close itself once it has ended.
    const options = { fd, readable: true, writable: true, allowHalfOpen: true, pauseOnCreate: true };
    super(options);
    this.#closing = closing;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#closing();
    super._destroy(error, callback);
  }
}
