/**
 * The stream of a session that lives over HTTP: lines of many requests go in one after the other, lines come out and
 * are somebody's to deliver. No bytes of a connection in it, and no judgement.
 */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { AdmittedEvents, PeerLoss, SessionStream } from "../../../gate/admission/admitted-stream.ts";

/** What the lines of a session are delivered by. */
export interface LineReceiver {
  /** One line of the session's, without its newline, to be used as it likes. */
  line(line: Buffer): void;
  /** The session is over: nothing more comes, and nobody is answered any more. */
  closed(): void;
}

interface Queued {
  readonly line: Buffer;
  readonly fresh: boolean;
  readonly judge: (deliver: () => void) => void;
}

const NEWLINE = 0x0a;
/** What waits for a server that is starting or does not read. */
const MAX_QUEUED = 64;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** A response that takes nothing for so long is cut: it holds up the server for all others of its session. */
const STALLED_MS = 15_000;
const CONGESTED_BYTES = 64 * 1024;

export class LineChannel implements SessionStream {
  readonly #receiver: LineReceiver;
  readonly #queue: Queued[] = [];
  #queuedBytes = 0;
  #events: AdmittedEvents | undefined;
  #paused = false;
  #over = false;
  /** Responses that take nothing at the moment. */
  readonly #congested = new Map<ServerResponse, ReturnType<typeof setTimeout>>();

  constructor(receiver: LineReceiver) {
    this.#receiver = receiver;
  }

  /**
   * Hands a line, newline included, to the session.
   *
   * @param fresh As in {@linkcode AdmittedEvents}.
   * @param judge Called when it is its turn; has to call `deliver`. What the session says meanwhile is of this line.
   * @returns false when too much is waiting already, and this was not taken.
   */
  push(line: Buffer, fresh: boolean, judge: Queued["judge"]): boolean {
    if (this.#over) return false;
    if (this.#queue.length >= MAX_QUEUED || this.#queuedBytes + line.length > MAX_QUEUED_BYTES) return false;
    this.#queue.push({ line, fresh, judge });
    this.#queuedBytes += line.length;
    this.#deliver();
    return true;
  }

  /** Whether lines are still taken. */
  get open(): boolean {
    return !this.#over;
  }

  /** The peer has said all it will. */
  finish(): void {
    if (!this.#over) this.#events?.end();
  }

  /** The peer is no longer who was admitted. */
  lose(loss: PeerLoss): void {
    if (this.#over) return;
    this.#over = true;
    this.#events?.lost(loss);
    this.#close();
  }

  /** Looks whether a response takes what it is given; while one does not, the server is not read from. */
  watch(res: ServerResponse): void {
    if (res.writableLength <= CONGESTED_BYTES || this.#congested.has(res) || res.destroyed) return;
    const stalled = setTimeout(() => res.destroy(), STALLED_MS);
    stalled.unref();
    this.#congested.set(res, stalled);
    const relieve = (): void => {
      if (!this.#congested.has(res)) return;
      clearTimeout(stalled);
      this.#congested.delete(res);
      if (this.#congested.size === 0 && !this.#over) this.#events?.drain();
    };
    res.once("drain", relieve).once("finish", relieve).once("close", relieve);
  }

  // ── what the session sees ────────────────────────────────────────────────────────────────────────────────────────

  start(events: AdmittedEvents): void {
    this.#events = events;
    this.#deliver();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let start = 0; start < buffer.length;) {
      const newline = buffer.indexOf(NEWLINE, start);
      const end = newline < 0 ? buffer.length : newline;
      if (end > start) this.#receiver.line(buffer.subarray(start, end));
      start = end + 1;
    }
    return this.#congested.size === 0;
  }

  get buffered(): number {
    let bytes = 0;
    for (const res of this.#congested.keys()) bytes += res.writableLength;
    return bytes;
  }

  end(): void {}

  destroy(): void {
    this.#over = true;
    this.#close();
  }

  #deliver(): void {
    while (!this.#paused && !this.#over && this.#events !== undefined) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#queuedBytes -= next.line.length;
      const events = this.#events;
      next.judge(() => events.data(next.line, next.fresh));
    }
  }

  #closed = false;

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    for (const timer of this.#congested.values()) clearTimeout(timer);
    this.#congested.clear();
    this.#receiver.closed();
  }
}
