/** All sessions of an HTTP door, each bound to the peer that made it. */
import { randomBytes } from "node:crypto";
import type { SessionPeer } from "../../../gate/admission/admit.ts";
import type { PeerLoss } from "../../../gate/admission/admitted-stream.ts";
import { newSessionId } from "../../../gate/session-id.ts";
import { monotonicMs } from "../../../platform/monotonic.ts";
import type { Capacity, Seat } from "../../capacity.ts";
import { noSession, type Problem, tooMany } from "../request/problem.ts";
import type { HttpTokens } from "../tokens/http-tokens.ts";
import type { HttpPeer } from "./http-peer.ts";
import { LegacySession, type SessionNames } from "./legacy-session.ts";
import { ModernSession } from "./modern-session.ts";

export interface HttpSessionsOptions {
  /** Starts the gate's session. @returns Settles when it has ended. */
  readonly serve: (peer: SessionPeer) => Promise<unknown>;
  /** One for all doors. */
  readonly capacity: Capacity;
  /** One for all doors. Undefined: the policy speaks neither of tokens nor of the one-time secret. */
  readonly tokens: HttpTokens | undefined;
}

type AnySession = LegacySession | ModernSession;

/** Of one peer; a client that does not end its sessions loses the one that it used least lately. */
const MAX_OF_ONE = 16;
const SWEEP_MS = 1000;
/** A session that nobody uses is ended. Legacy clients begin anew then, since they are told 404. */
const IDLE_MS = { legacy: 30 * 60_000, modern: 5 * 60_000 };

export class HttpSessions {
  readonly #options: HttpSessionsOptions;
  /** In the order in which they were used last. */
  readonly #used = new Map<AnySession, number>();
  /** By a name that nobody can guess, and by what their tokens call them. */
  readonly #named = new Map<string, LegacySession>();
  readonly #byToken = new Map<string, LegacySession>();
  readonly #sweep: ReturnType<typeof setInterval>;

  constructor(options: HttpSessionsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#look(), SWEEP_MS);
    this.#sweep.unref();
  }

  async openLegacy(peer: HttpPeer): Promise<LegacySession | Problem> {
    const { tokens } = this.#options;
    const sid = newSessionId();
    const token = await tokens?.begin(sid, peer);
    // Who went while the token was made is not served: its process is no longer watched.
    const seat = peer.isCurrent() ? this.#takeSeat(peer) : undefined;
    if (seat === undefined) {
      tokens?.end(sid);
      return tooMany("Too many sessions are open");
    }
    const grant = tokens?.grantOf(peer);
    const names: SessionNames = {
      sid,
      // Visible ASCII of 256 random bits, as the specification wants it.
      random: randomBytes(32).toString("base64url"),
      token: () => tokens?.mayBeTold(peer, grant) === true ? token : undefined,
    };
    const session = new LegacySession(peer, names, (it) => this.#forget(it));
    this.#named.set(names.random, session);
    this.#byToken.set(sid, session);
    this.#serve(session, seat, { sid, grant });
    return session;
  }

  /** Another's is not found either, for who asks; the log says what it was. */
  async findLegacy(id: string, peer: HttpPeer): Promise<LegacySession | Problem> {
    const session = this.#named.get(id) ?? await this.#findByToken(id, peer);
    if (session === undefined) return noSession();
    if ("status" in session) return session;
    if (!session.peer.isSame(peer)) return noSession("http:session-of-another", "ERR_TOKEN_FOREIGN");
    this.#use(session);
    return session;
  }

  async #findByToken(token: string, peer: HttpPeer): Promise<LegacySession | Problem | undefined> {
    const sid = await this.#options.tokens?.sessionOf(token, peer);
    return typeof sid === "string" ? this.#byToken.get(sid) : sid;
  }

  /** The peer's own, made when there is none. @returns Undefined when there is no room. */
  modernOf(peer: HttpPeer): ModernSession | undefined {
    for (const session of this.#used.keys()) {
      if (!(session instanceof ModernSession) || !session.open || !session.peer.isSame(peer)) {
        continue;
      }
      this.#use(session);
      return session;
    }
    const seat = this.#takeSeat(peer);
    if (seat === undefined) return undefined;
    const session = new ModernSession(peer, (it) => this.#forget(it));
    const { tokens } = this.#options;
    const sid = newSessionId();
    tokens?.name(sid, peer);
    this.#serve(session, seat, { sid, grant: tokens?.grantOf(peer) });
    return session;
  }

  /** The client wants no more of it: from here on nobody finds it. */
  end(session: AnySession): void {
    this.#forget(session);
    session.end();
  }

  /** Somebody else spoke in a peer's name, or it became another: nothing that it opened goes on. */
  lose(peer: HttpPeer, loss: PeerLoss): void {
    // Whoever is lost is taken out of the map meanwhile, which a map's own iterator bears.
    for (const session of this.#used.keys()) {
      if (session.peer === peer || session.peer.isSame(peer)) session.channel.lose(loss);
    }
  }

  /** Peers that have sessions. */
  *peers(): Iterable<HttpPeer> {
    for (const { peer } of this.#used.keys()) yield peer;
  }

  /** Opens no more. Those that run are the guard's to stop. */
  close(): void {
    clearInterval(this.#sweep);
  }

  /** @param seat Kept until the server has stopped, by ended sessions too. */
  #serve(session: AnySession, seat: Seat, { sid, grant }: Pick<SessionPeer, "sid" | "grant">): void {
    const { peer, channel } = session;
    peer.hold();
    this.#used.set(session, monotonicMs());
    const { client, clients, grade, proof, bootstrap, identity } = peer.identity;
    void this.#options.serve({
      stream: channel,
      client,
      clients,
      grade,
      proof,
      bootstrap,
      grant,
      sid,
      identity,
      complete: () => peer.identity.complete(),
      stillAdmitted: (later, world) => peer.identity.stillAdmitted(later, world),
      close: () => peer.release(),
    }).finally(() => {
      seat.leave();
      channel.destroy();
      if (sid !== undefined) this.#options.tokens?.end(sid);
    });
  }

  #use(session: AnySession): void {
    this.#used.delete(session);
    this.#used.set(session, monotonicMs());
  }

  #forget(session: AnySession): void {
    this.#used.delete(session);
    if (!(session instanceof LegacySession)) return;
    this.#named.delete(session.names.random);
    this.#byToken.delete(session.names.sid);
  }

  /** @returns Undefined when there is no room. */
  #takeSeat(peer: HttpPeer): Seat | undefined {
    const own = Array.from(this.#used.keys()).filter((session) => session.peer.isSame(peer));
    const seat = this.#options.capacity.sit();
    if (own.length < MAX_OF_ONE && seat !== undefined) return seat;
    // The one that was used least lately makes room. Its own seat is free once its server has stopped.
    const idle = own.find((session) => !session.busy);
    if (idle !== undefined) this.end(idle);
    if (idle !== undefined && seat !== undefined) return seat;
    seat?.leave();
    return undefined;
  }

  /** A process that ended, or runs something else by now, and sessions that nobody uses. */
  #look(): void {
    const now = monotonicMs();
    for (const [session, since] of this.#used) {
      if (!session.peer.isCurrent()) session.channel.lose({ code: "ERR_PEER_GONE", detail: "ended" });
      else if (session.busy) this.#used.set(session, now);
      else if (now - since > IDLE_MS[session instanceof LegacySession ? "legacy" : "modern"]) {
        this.end(session);
      }
    }
  }
}
