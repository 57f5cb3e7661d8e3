/** Who is at the other end of a TCP connection: a user of this machine, or whoever shows a token. */
import type { AdmissionWorld, Clients } from "../../../policy/clients.ts";
import type { SessionIdentity } from "../../audit/audit-log.ts";
import type { LoopbackPeer } from "../../gate/admission/admit-loopback.ts";
import { isKnown } from "../../model/evidence.ts";
import type { HttpPeer } from "./session/http-peer.ts";
import type { Grant, GrantHolder } from "./tokens/grant.ts";

/** What admits at the moment. */
export type AdmissionNow = () => { readonly clients: Clients | undefined; readonly world: AdmissionWorld };

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
  isSame(other: unknown): boolean {
    return other instanceof SocketPeer && other.key === this.key &&
      other.#peer.client === this.#peer.client &&
      this.isCurrent() && other.isCurrent();
  }

  binding(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Whether it needs no token. Else it may ask for one, and nothing else. */
  get waived(): boolean {
    return this.#peer.waived;
  }

  /** Who bears the tokens that it is given: known by what was seen of it now, whatever becomes of this connection. */
  asHolder(identity: SessionIdentity, admission: AdmissionNow): GrantHolder {
    const { client, clients, grade, proof, bootstrap, mayHold } = this.#peer;
    return {
      key: this.key,
      identity: {
        client,
        clients,
        grade,
        proof,
        bootstrap,
        identity,
        complete: () => Promise.resolve(identity),
        stillAdmitted: (later, world) => Promise.resolve(mayHold(later, world)),
      },
      isCurrent: () => {
        const now = admission();
        return now.clients === clients || mayHold(now.clients, now.world);
      },
      release: () => {},
    };
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#peer.close();
  }
}

/** A bearer: whoever has the token is its owner, as far as TCP goes. */
export class TokenPeer implements HttpPeer {
  readonly key: string;
  /** Two tokens of one are one peer. */
  readonly grant: Grant;

  constructor(grant: Grant) {
    this.grant = grant;
    this.key = `token:${grant.id}`;
  }

  get identity(): HttpPeer["identity"] {
    return this.grant.holder.identity;
  }

  isCurrent(): boolean {
    return this.grant.isCurrent();
  }

  isSame(other: unknown): boolean {
    return other instanceof TokenPeer && other.grant === this.grant && this.isCurrent();
  }

  binding(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  hold(): void {}

  release(): void {}
}
