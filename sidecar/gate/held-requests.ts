/**
 * Requests that cannot be decided yet: parked, in order, while the messages behind them go on. A held request is
 * judged later as if it had just come; cancelling it makes it as if it never had.
 */
import { Buffer } from "node:buffer";
import type { RpcId } from "./pending.ts";

export type HeldUntil = "caller" | "tools";

interface Held {
  readonly id: RpcId;
  readonly line: Buffer;
  readonly until: HeldUntil;
}

export class HeldRequests {
  #held: Held[] = [];
  #bytes = 0;

  /** Bytes that are kept: the caller bounds them by pausing the peer. */
  get bytes(): number {
    return this.#bytes;
  }

  hold(id: RpcId, line: Buffer, until: HeldUntil): void {
    this.#held.push({ id, line: Buffer.from(line), until });
    this.#bytes += line.length;
  }

  has(id: RpcId): boolean {
    return this.#held.some((held) => held.id === id);
  }

  release(id: RpcId): boolean {
    return this.#take((held) => held.id === id).length > 0;
  }

  /** Takes out what waited for this, in the order it came. */
  take(until: HeldUntil): Buffer[] {
    return this.#take((held) => held.until === until).map((held) => held.line);
  }

  drain(): RpcId[] {
    return this.#take(() => true).map((held) => held.id);
  }

  #take(wanted: (held: Held) => boolean): Held[] {
    const taken = this.#held.filter(wanted);
    if (taken.length === 0) return taken;
    this.#held = this.#held.filter((held) => !wanted(held));
    for (const { line } of taken) this.#bytes -= line.length;
    return taken;
  }
}
