/** Who is at the other end of a request: what outlives the connection that it came by. */
import { bindingOf } from "../../../gate/access/peer-binding.ts";
import type { AdmittedPeer, SessionPeer } from "../../../gate/admission/admit.ts";
import type { PeerBinding } from "../../../tokens/claims.ts";

export interface HttpPeer {
  /** All that a session has to know; its stream is the session's own. */
  readonly identity: Omit<SessionPeer, "stream" | "close" | "grant" | "sid">;
  /** Tells peers apart for what each may take of our memory. */
  readonly key: string;
  /** Whether it still is who was let in. */
  isCurrent(): boolean;
  /** Whether another request's peer is this one, now. */
  isSame(other: unknown): boolean;
  /** What its tokens are bound to. @returns Undefined where nobody can know the process. Never rejects. */
  binding(): Promise<PeerBinding | undefined>;
  /** Keeps its process held until `release` was called as often. */
  hold(): void;
  release(): void;
}

/** The process behind a connection to a Unix socket. */
export class ProcessPeer implements HttpPeer {
  readonly key: string;
  readonly #peer: AdmittedPeer;
  #holders = 1;

  /** Takes over the peer: `release` lets go of it. */
  constructor(peer: AdmittedPeer) {
    this.#peer = peer;
    this.key = `process:${peer.pid}`;
  }

  get identity(): HttpPeer["identity"] {
    return this.#peer;
  }

  isCurrent(): boolean {
    return this.#peer.isCurrent();
  }

  async binding(): Promise<PeerBinding> {
    return bindingOf((await this.#peer.complete()).evidence);
  }

  isSame(other: unknown): boolean {
    // The number is enough: both are held and live, so it is one process's. It may match another entry by now.
    return other instanceof ProcessPeer && this.#peer.pid !== undefined &&
      other.#peer.pid === this.#peer.pid &&
      other.#peer.client === this.#peer.client && this.isCurrent() && other.isCurrent();
  }

  /** Whether a process of this number, which connected after that moment, was measured before it did. */
  isKnownSince(pid: number, connectedAfter: number): boolean {
    return this.#peer.pid === pid && this.#peer.measuredAt < connectedAfter && this.isCurrent();
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#peer.close();
  }
}
