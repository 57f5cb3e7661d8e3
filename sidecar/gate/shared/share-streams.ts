/**
 * The two streams that a session has of a shared server, in place of the child's own. Each pauses by itself: what comes
 * for a session that does not read waits here, and the server's other sessions hear nothing of it.
 */
import { Buffer } from "node:buffer";
import type { ByteStream, StreamEvents } from "../../platform/platform.ts";

/** What may wait for a session that does not read, beside one message more. */
export const MOST_QUEUED = 8 * 1024 * 1024;
/** With so much waiting the session may ask for nothing more, so that only what is asked already can still come. */
export const QUEUE_HIGH = 1024 * 1024;
const QUEUE_LOW = QUEUE_HIGH / 2;
/** Handed on at a time: the reader may pause in between. */
const PIECE = 64 * 1024;

abstract class ShareStream implements ByteStream {
  protected events: StreamEvents | undefined;
  readonly buffered: number = 0;

  start(events: StreamEvents): void {
    if (this.events !== undefined) throw new TypeError("Cannot start a stream twice");
    this.events = events;
  }

  abstract write(bytes: Uint8Array): boolean;

  pause(): void {}
  resume(): void {}
  end(): void {}

  destroy(): void {
    this.events = undefined;
  }
}

/** What the server says to one session. */
export class ShareOutput extends ShareStream {
  readonly #relieved: () => void;
  #queue: Buffer[] = [];
  #queued = 0;
  #paused = false;
  #ended = false;
  #scheduled = false;
  #overfull = false;

  /** @param relieved Called when what waits has become little. */
  constructor(relieved: () => void) {
    super();
    this.#relieved = relieved;
  }

  /** Bytes that wait for the session. */
  get queued(): number {
    return this.#queued;
  }

  /** Whether the session does not read. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** Whether more came for a session that does not read although {@linkcode MOST_QUEUED} was waiting already. */
  get isOverfull(): boolean {
    return this.#overfull;
  }

  override start(events: StreamEvents): void {
    super.start(events);
    this.#schedule();
  }

  override pause(): void {
    this.#paused = true;
  }

  override resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  override write(): boolean {
    throw new TypeError("Cannot write to a stream opened for reading");
  }

  /** Whole lines. They are handed on soon, never within this call: whoever sends may be in the middle of something. */
  push(bytes: Buffer): void {
    if (this.#ended) return;
    if (this.#paused && this.#queued > MOST_QUEUED) this.#overfull = true;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#schedule();
  }

  /** The server says nothing more; what waits still goes on. */
  finish(): void {
    this.#ended = true;
    this.#schedule();
  }

  override destroy(): void {
    super.destroy();
    this.#ended = true;
    this.#queue = [];
    this.#queued = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.events === undefined || this.#paused) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    this.#scheduled = false;
    while (!this.#paused && this.events !== undefined && this.#queue.length > 0) {
      const piece = this.#takePiece();
      this.#queued -= piece.length;
      this.events.data(piece, undefined);
    }
    if (this.#queued <= QUEUE_LOW) this.#relieved();
    if (this.#ended && !this.#paused && this.#queue.length === 0) {
      const events = this.events;
      this.events = undefined;
      events?.end();
    }
  }

  #takePiece(): Buffer {
    let length = 0;
    let count = 0;
    while (count < this.#queue.length && length < PIECE) length += this.#queue[count++]!.length;
    const pieces = this.#queue.splice(0, count);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }
}

/** What one session says to the server. */
export class ShareInput extends ShareStream {
  readonly #accept: (bytes: Buffer) => boolean;
  #stalled = false;

  /** @param accept Takes whole lines. @returns false when no more should come for now. */
  constructor(accept: (bytes: Buffer) => boolean) {
    super();
    this.#accept = accept;
  }

  override write(bytes: Uint8Array): boolean {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.#accept(chunk)) this.#stalled = true;
    return !this.#stalled;
  }

  /** There is room again. */
  relieve(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.events?.drain();
  }

  /** The server reads no more. */
  fail(error: Error): void {
    this.events?.error(error);
  }
}
