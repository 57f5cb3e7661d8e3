/**
 * Streamable HTTP at `/mcp`, for whoever was admitted to a Unix socket: the part behind the connection, whatever that is.
 */
import type { AdmittedPeer, SessionPeer } from "../../gate/admission/admit.ts";
import type { PeerLoss, SessionStream } from "../../gate/admission/admitted-stream.ts";
import { RPC_CODES, withId } from "../../gate/refusal.ts";
import type { GuardErrorCode } from "../../model/errors.ts";
import type { Credentials } from "../../model/evidence.ts";
import type { PeerStream } from "../../platform/platform.ts";
import type { Capacity } from "../capacity.ts";
import { Endpoint } from "./endpoint.ts";
import { type HttpPeer, ProcessPeer } from "./session/http-peer.ts";
import type { HttpTokens } from "./tokens/http-tokens.ts";
import { HttpSessions } from "./session/http-sessions.ts";
import { HttpWire } from "./wire/http-wire.ts";
import { noSession, type Problem, sendProblem } from "./request/problem.ts";
import { type Headers, UNIX_PLACE } from "./request/request-head.ts";

export interface HttpDoorOptions {
  /** Starts a peer's session. @returns Settles when it has ended. */
  readonly serve: (peer: SessionPeer) => Promise<unknown>;
  /** One for all doors. */
  readonly capacity: Capacity;
  /** One for all doors. Undefined: the policy speaks neither of tokens nor of the one-time secret. */
  readonly tokens: HttpTokens | undefined;
  /** Longest message, in bytes. */
  readonly maxBody: number;
  /** Records that somebody who was let in is refused. @returns The id that it is told. */
  readonly refused: (
    peer: HttpPeer | undefined,
    code: GuardErrorCode,
    reason: string,
  ) => Promise<string | undefined>;
  /** One line for the person at the terminal. */
  readonly notice: (text: string) => void;
}

/** Connections that are turned away are told so, if they ask within this time. */
const FIRST_REQUEST_MS = 1000;

export class UnixHttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #wire = new HttpWire();
  readonly #sessions: HttpSessions;
  readonly #endpoint: Endpoint;
  readonly #connected = new Set<ProcessPeer>();

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#sessions = new HttpSessions(options);
    this.#endpoint = new Endpoint({
      place: UNIX_PLACE,
      sessions: this.#sessions,
      tokens: options.tokens,
      maxBody: options.maxBody,
      refused: (peer, { audit = "http", refusal }) => this.#refused(peer, audit, refusal),
    });
  }

  /** Whether a process was measured before it can have made a connection, and is what it was then. */
  known({ pid }: Credentials, connectedAfter: number): boolean {
    for (const peers of [this.#connected, this.#sessions.peers(), this.#options.tokens?.holders() ?? []]) {
      for (const peer of peers) {
        if (peer instanceof ProcessPeer && peer.isKnownSince(pid, connectedAfter)) return true;
      }
    }
    return false;
  }

  /** Serves what comes over an admitted connection. @returns Settles when it has ended. */
  async serve(admitted: AdmittedPeer): Promise<void> {
    const peer = new ProcessPeer(admitted);
    this.#connected.add(peer);
    await this.#wire.converse(admitted.stream, {
      request: (req, res, fresh) => {
        const identify = (headers: Headers): Promise<HttpPeer | Problem> => this.#identify(peer, headers);
        void this.#endpoint.handle({ req, res, fresh, identify });
      },
      malformed: (code) => void this.#refused(peer, `http:${code}`),
      lost: (loss) => this.#lost(peer, loss),
    });
    this.#connected.delete(peer);
    peer.release();
  }

  /** Answers the first request of a peer that is not let in, whatever it asks, and closes. */
  async turnAway(
    stream: PeerStream,
    { code, refusal }: { readonly code: GuardErrorCode; readonly refusal: string | undefined },
  ): Promise<void> {
    const message = refusal === undefined ? "Not admitted" : withId("Not admitted", refusal);
    const late = setTimeout(() => stream.destroy(), FIRST_REQUEST_MS);
    await this.#wire.converse(unverified(stream), {
      request: (_req, res) => {
        clearTimeout(late);
        sendProblem(res, { status: 403, code: RPC_CODES[code], message, headers: { connection: "close" } });
      },
      malformed: () => {},
      lost: () => {},
    });
    clearTimeout(late);
  }

  /** Opens no more sessions. Those that run are the guard's to stop. */
  close(): void {
    this.#sessions.close();
  }

  async #identify(peer: ProcessPeer, headers: Headers): Promise<HttpPeer | Problem> {
    const problem = await this.#options.tokens?.checkShown(headers, peer);
    if (problem !== undefined) return problem;
    return peer.isCurrent() ? peer : noSession("http:peer-gone");
  }

  /** Somebody else holds the connection: what it says was not heard, and the peer's sessions end with it. */
  #lost(peer: ProcessPeer, loss: PeerLoss): void {
    if (loss.detail !== "ended") {
      this.#options.notice(`A connection was ended [${loss.code}]: the client is not who was admitted`);
      void this.#options.refused(peer, loss.code, loss.detail);
    }
    this.#sessions.lose(peer, loss);
  }

  #refused(
    peer: HttpPeer | undefined,
    reason: string,
    code: GuardErrorCode = "ERR_PEER_REFUSED",
  ): Promise<string | undefined> {
    return this.#options.refused(peer, code, reason);
  }
}

/** A stream of which nothing is believed. */
function unverified(stream: PeerStream): SessionStream {
  return {
    start: (events) => {
      const { end, error, drain } = events;
      stream.start({ data: (chunk) => events.data(chunk, false), end, error, drain });
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    write: (bytes) => stream.write(bytes),
    get buffered() {
      return stream.buffered;
    },
    end: () => stream.end(),
    destroy: () => stream.destroy(),
  };
}
