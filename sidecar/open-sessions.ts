/** The sessions of a guard that run now, at whichever door their peers came in: looked at, ended, told of a policy. */
import type { AdmissionWorld } from "../policy/clients.ts";
import type { Policy } from "../policy/mod.ts";
import type { SessionIdentity } from "./audit/audit-log.ts";
import type { SessionPeer } from "./gate/admission/admit.ts";
import type { Session } from "./gate/session.ts";

/** One session that runs. */
export interface OpenSession {
  readonly id: string;
  readonly session: Session;
  readonly peer: Pick<SessionPeer, "client" | "grade">;
  /** As much of it as is known by now. */
  readonly identity: SessionIdentity;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export class OpenSessions {
  readonly #open = new Map<string, OpenSession & { identity: SessionIdentity }>();
  #stopping = false;

  /** @param session Not started yet. It is left out again when it has ended. */
  add(id: string, session: Session, peer: SessionPeer): void {
    const entry = { id, session, peer, identity: peer.identity, startedAt: Date.now() };
    this.#open.set(id, entry);
    void peer.complete().then((identity) => entry.identity = identity);
    void session.ended.then(() => this.#open.delete(id));
    // Somebody was let in while the guard was being stopped.
    if (this.#stopping) session.stop("signal");
  }

  list(): readonly OpenSession[] {
    return [...this.#open.values()];
  }

  find(id: string): OpenSession | undefined {
    return this.#open.get(id);
  }

  /** A policy was loaded: where it is stricter it counts for whoever is here, too. Never rejects. */
  async adopt(policy: Policy, world: AdmissionWorld): Promise<void> {
    await Promise.all(this.list().map(({ session }) => session.adopt(policy, world)));
  }

  /** Asks all to end; asked again, they are stopped the harder way. @returns Settles when they have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.list().map(({ session }) => {
        session.stop("signal");
        return session.ended;
      }),
    );
  }
}
