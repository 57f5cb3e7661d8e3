/** Who is at the other end of a TCP connection: a user of this machine, or whoever shows a token. */
import type { LoopbackPeer } from "../../gate/admission/admit-loopback.ts";
import { isKnown } from "../../model/evidence.ts";
import type { HttpPeer } from "./session/http-peer.ts";

/** A user's socket, and the process that holds it where there is one to be seen. */
export class SocketPeer implements HttpPeer {
  readonly key: string;
  readonly #peer: LoopbackPeer;
  #holders = 1;

  /** Takes over the peer: `release` lets go of it. */
  constructor(peer: LoopbackPeer) {
    this.#peer = peer;
    const { process } = peer.identity.evidence;
    const user = "absent" in process || !isKnown(process.uid) ? "?" : process.uid.value;
    this.key = `user:${user} process:${"absent" in process ? 0 : process.pid}`;
  }

  get identity(): HttpPeer["identity"] {
    return this.#peer;
  }

  /** Whether the connection that it was found by is still that one. */
  isConnected(): boolean {
    return this.#peer.isConnected();
  }

  isCurrent(): boolean {
    return this.#peer.isAlive();
  }

  /** Of one user and, as far as can be told, one process. Each comes by a socket of its own. */
  isSame(other: HttpPeer): boolean {
    return other instanceof SocketPeer && other.key === this.key &&
      other.#peer.client === this.#peer.client &&
      this.isCurrent() && other.isCurrent();
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#peer.close();
  }
}

/** Whom a token speaks for, as the tokens' part of the guard found it. */
export interface TokenHolder {
  readonly identity: HttpPeer["identity"];
  /** The session that the token was made for: two tokens of one are one peer. */
  readonly session: string;
  /** Whether the token is still good. */
  isValid(): boolean;
}

/** A bearer: whoever has the token is its owner, as far as TCP goes. */
export class TokenPeer implements HttpPeer {
  readonly key: string;
  readonly #holder: TokenHolder;

  constructor(holder: TokenHolder) {
    this.#holder = holder;
    this.key = `token:${holder.session}`;
  }

  get identity(): HttpPeer["identity"] {
    return this.#holder.identity;
  }

  isCurrent(): boolean {
    return this.#holder.isValid();
  }

  isSame(other: HttpPeer): boolean {
    return other instanceof TokenPeer && other.key === this.key && this.isCurrent() && other.isCurrent();
  }

  hold(): void {}

  release(): void {}
}
