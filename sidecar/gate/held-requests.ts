/**
 * Requests that cannot be decided yet: parked, in order, while the messages behind them go on. A held request is
 * judged later as if it had just come; cancelling it makes it as if it never had.
 */
import { Buffer } from "node:buffer";
import type { RpcId } from "./pending.ts";

/** `token`: judged again then; `answer`: one that the guard itself answers. */
export type HeldUntil = "caller" | "tools" | "token" | "answer";

interface Held {
  readonly line: Buffer;
  readonly until: HeldUntil;
}

export class HeldRequests {
  readonly #held = new Map<RpcId, Held>();
  #bytes = 0;

  /** Bytes that are kept: the caller bounds them by pausing the peer. */
  get bytes(): number {
    return this.#bytes;
  }

  hold(id: RpcId, line: Buffer, until: HeldUntil): void {
    this.#held.set(id, { line: Buffer.from(line), until });
    this.#bytes += line.length;
  }

  has(id: RpcId): boolean {
    return this.#held.has(id);
  }

  release(id: RpcId): boolean {
    const held = this.#held.get(id);
    if (held === undefined) return false;
    this.#held.delete(id);
    this.#bytes -= held.line.length;
    return true;
  }

  /** Takes out what waited for this, in the order it came. */
  take(until: HeldUntil): Buffer[] {
    const lines: Buffer[] = [];
    for (const [id, held] of this.#held) {
      if (held.until !== until) continue;
      lines.push(held.line);
      this.release(id);
    }
    return lines;
  }

  drain(): RpcId[] {
    const ids = [...this.#held.keys()];
    this.#held.clear();
    this.#bytes = 0;
    return ids;
  }
}
