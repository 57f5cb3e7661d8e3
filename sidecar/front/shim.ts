/** One `mcp-guard connect` at the other end: takes what it hands over, and knows when it is gone. */
import { Buffer } from "node:buffer";
import type { Credentials } from "../model/evidence.ts";
import type { PeerStream, Sender } from "../platform/platform.ts";
import { type Farewell, HELLO } from "./hand-over.ts";

/** It was started to do this and nothing else. */
const HAND_OVER_MS = 5000;
const LAST_WORDS_MS = 1000;

export class Shim {
  readonly #stream: PeerStream;
  readonly #from: Credentials;
  #descriptors: readonly number[] = [];
  #received = false;
  #gone = false;
  #whenGone: () => void = () => {};

  /** @param from Who connected: nobody else may speak here. */
  constructor(stream: PeerStream, from: Credentials) {
    this.#stream = stream;
    this.#from = from;
  }

  /** Whether it has ended, or said what it may not say: then the session that it began ends. */
  get gone(): boolean {
    return this.#gone;
  }

  whenGone(tell: () => void): void {
    this.#whenGone = tell;
    if (this.#gone) tell();
  }

  /**
   * What it hands over, once.
   *
   * @returns Two descriptors, or some that are to be got rid of, and why.
   */
  handOver(): Promise<{ readonly descriptors: readonly number[]; readonly refused: string | undefined }> {
    return new Promise((resolve) => {
      const settle = (refused: string | undefined): void => {
        clearTimeout(timer);
        resolve({ descriptors: this.#descriptors, refused });
      };
      const timer = setTimeout(() => settle("hand-over:timeout"), HAND_OVER_MS);
      const leave = (): void => {
        settle("hand-over:ended");
        this.#leave();
      };
      this.#stream.start({
        descriptors: (some) => void (this.#descriptors = [...this.#descriptors, ...some]),
        data: (chunk, sender) => settle(this.#judge(chunk, sender)),
        end: leave,
        error: leave,
        drain: () => {},
      });
    });
  }

  #judge(chunk: Buffer, sender: Sender): string | undefined {
    const again = this.#received;
    this.#received = true;
    const genuine = sender?.pid === this.#from.pid && sender.uid === this.#from.uid;
    const complete = this.#descriptors.length === 2 && chunk.equals(Buffer.from(HELLO));
    if (!again && genuine && complete) return undefined;
    // After the first message there is nothing more to say: who speaks again is somebody else, or something else.
    if (again) this.#leave();
    return genuine ? "hand-over:malformed" : "hand-over:other-sender";
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stream.destroy();
    this.#whenGone();
  }

  /** Says how it ended, and lets it go. */
  dismiss(farewell: Farewell): void {
    if (this.#gone) return;
    this.#whenGone = () => {};
    this.#stream.write(Buffer.from(`${JSON.stringify(farewell)}\n`));
    this.#stream.end();
    setTimeout(() => this.destroy(), LAST_WORDS_MS).unref();
  }

  /** Closes at once. */
  destroy(): void {
    this.#gone = true;
    this.#stream.destroy();
  }
}
