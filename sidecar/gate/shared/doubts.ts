/**
 * What a server may still have to ask on behalf of somebody who no longer waits. A request of the server's does not say
 * whom it is for; while it could be for one who cancelled a call, or left with one pending, it is shown to nobody else.
 */
import { monotonicMs } from "../../platform/monotonic.ts";
import type { Share } from "./share.ts";

/** So long a server may work on a call that was cancelled: it need not stop at once (MCP, cancellation). */
const DOUBT_MS = 30_000;

export class Doubts {
  readonly #until = new Map<Share, number>();
  readonly #now: () => number;

  constructor(now: () => number = monotonicMs) {
    this.#now = now;
  }

  /** A call of this peer's was given up. */
  note(share: Share): void {
    const now = this.#now();
    // In the order of their times, so that what is over is forgotten although nobody asks.
    this.#until.delete(share);
    for (const [other, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(other);
    }
    this.#until.set(share, now + DOUBT_MS);
  }

  /** Whether somebody else than this peer may be meant. */
  about(share: Share): boolean {
    const now = this.#now();
    for (const [other, until] of this.#until) {
      if (until <= now) this.#until.delete(other);
      else if (other !== share) return true;
    }
    return false;
  }
}
