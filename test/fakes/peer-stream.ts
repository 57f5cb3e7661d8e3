import { Buffer } from "node:buffer";
import type { PeerStream, Sender, StreamEvents } from "../../sidecar/platform/platform.ts";

/** A peer's stream without a kernel: a test says what comes, and sees what was written. */
export class FakePeerStream implements PeerStream {
  readonly namesSenders: boolean;
  readonly written: string[] = [];
  /** What `waiting` answers. */
  queued: number | undefined = 0;
  buffered = 0;
  paused = true;
  ended = false;
  destroyed = false;
  #events: StreamEvents | undefined;

  constructor(namesSenders = true) {
    this.namesSenders = namesSenders;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    this.paused = false;
  }

  say(text: string, sender: Sender): void {
    this.#events?.data(Buffer.from(text), sender);
  }

  finish(): void {
    this.#events?.end();
  }

  fail(error: Error): void {
    this.#events?.error(error);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes).toString());
    return true;
  }

  waiting(): number | undefined {
    return this.queued;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }
}
