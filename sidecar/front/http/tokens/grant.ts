/**
 * What one peer of the HTTP doors was given, over all its connections and sessions: tokens, and that it has shown the
 * one-time secret. Its tokens name it as their session, and count as long as it does.
 */
import type { PeerGrant } from "../../../gate/admission/admit.ts";
import { newSessionId } from "../../../gate/session-id.ts";
import { monotonicMs } from "../../../platform/monotonic.ts";
import type { HttpPeer } from "../session/http-peer.ts";

/** Who has it: a process, or, over TCP, whoever was seen when it was given. */
export type GrantHolder = Pick<HttpPeer, "key" | "identity" | "isCurrent" | "release">;

export interface GrantTerms {
  /** Whether whoever shows a token of it is its holder, so that nothing but tokens keeps it alive. */
  readonly bearer: boolean;
  /** It ends at this age, whatever its tokens say. */
  readonly maxAgeMs: number;
  readonly onEnd: (grant: Grant) => void;
}

export class Grant implements PeerGrant {
  readonly id: string = newSessionId();
  readonly holder: GrantHolder;
  readonly bearer: boolean;
  /** Settles when none of its tokens counts any more. */
  readonly ended: Promise<void>;
  earned = false;
  readonly #endsAt: number;
  readonly #onEnd: GrantTerms["onEnd"];
  #countsUntil = 0;
  #over = false;
  #settle: () => void = () => {};

  /** Takes over the holder: it is let go of at the end. */
  constructor(holder: GrantHolder, { bearer, maxAgeMs, onEnd }: GrantTerms) {
    this.holder = holder;
    this.bearer = bearer;
    this.ended = new Promise((resolve) => this.#settle = resolve);
    this.#endsAt = monotonicMs() + maxAgeMs;
    this.#onEnd = onEnd;
  }

  /** A token of it is about to be made. @returns How long that may count. */
  extend(ttlMs: number): number {
    const now = monotonicMs();
    const ms = Math.max(0, Math.min(ttlMs, this.#endsAt - now));
    this.#countsUntil = Math.max(this.#countsUntil, now + ms);
    return ms;
  }

  /** Whether its tokens count. A bearer's ends with the last of them, and all that was opened with one. */
  isCurrent(): boolean {
    const now = monotonicMs();
    return !this.#over && now < this.#endsAt && (!this.bearer || now < this.#countsUntil) &&
      this.holder.isCurrent();
  }

  /** Ends it for good where it is over: what admits its holder may change back. */
  readonly reconsider = (): void => {
    if (!this.isCurrent()) this.end();
  };

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onEnd(this);
    this.holder.release();
    this.#settle();
  }
}
