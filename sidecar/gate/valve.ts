/** Pauses a stream for as long as anybody has a reason to. */
import type { ByteStream } from "../platform/platform.ts";

export type Reason = "reader-slow" | "answers-unread" | "calls-held" | "upstream-starting";

export class Valve {
  readonly #stream: Pick<ByteStream, "pause" | "resume">;
  readonly #reasons = new Set<Reason>();

  constructor(stream: Pick<ByteStream, "pause" | "resume">) {
    this.#stream = stream;
  }

  close(reason: Reason): void {
    if (this.#reasons.size === 0) this.#stream.pause();
    this.#reasons.add(reason);
  }

  open(reason: Reason): void {
    if (this.#reasons.delete(reason) && this.#reasons.size === 0) this.#stream.resume();
  }
}
