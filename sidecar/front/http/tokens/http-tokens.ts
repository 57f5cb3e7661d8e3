/**
 * Tokens at the HTTP doors: legacy sessions that are called by one, bearers, and who may have a token at `/token`.
 *
 * Trusts the issuer for signatures and time. Defends against: a session id or token that another process shows, a secret
 * without the entry's facts, guesses. Leaves to others: the theft of a bearer over TCP, where nobody knows the process.
 */
import type { PeerGrant } from "../../../gate/admission/admit.ts";
import type { PeerBinding } from "../../../tokens/claims.ts";
import { LONGEST_TOKEN } from "../../../tokens/verdict.ts";
import { TokenPeer } from "../loopback-peer.ts";
import { invalidToken, noSession, type Problem } from "../request/problem.ts";
import type { Headers } from "../request/request-head.ts";
import { type HttpPeer, ProcessPeer } from "../session/http-peer.ts";
import { Grants } from "./grants.ts";
import { type IssuedToken, Issuing, UNBOUND } from "./issuing.ts";
import type { HttpTokensOptions } from "./options.ts";

/** A token says when it ends. Where the policy sets no age, what ends it is its session. */
const NO_MAX_AGE_MS = 365 * 24 * 3_600_000;

export class HttpTokens {
  readonly #options: HttpTokensOptions;
  readonly #grants: Grants;
  readonly #issuing: Issuing;
  /** Whose session it is, by the session's id in tokens. */
  readonly #sessions = new Map<string, HttpPeer>();

  constructor(options: HttpTokensOptions) {
    this.#options = options;
    this.#grants = new Grants({
      maxAgeMs: () => options.maxAgeMs() ?? NO_MAX_AGE_MS,
      began: options.began,
      ended: (grant) => {
        options.issuer?.revoke(grant.id);
        options.ended(grant);
      },
    });
    this.#issuing = new Issuing(options, this.#grants);
  }

  /** Whether there are tokens at all, so that there is something at `/token`. */
  get issues(): boolean {
    return this.#options.issuer !== undefined;
  }

  /** The public keys, as a JWK Set. */
  get jwks(): unknown {
    return this.#options.issuer?.jwks;
  }

  /** Who is held for its tokens. */
  holders(): Iterable<unknown> {
    return this.#grants.holders();
  }

  // ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What all sessions of a peer have in common. @returns Undefined for users of this machine who show no token. */
  grantOf(peer: HttpPeer): PeerGrant | undefined {
    if (peer instanceof TokenPeer) return peer.grant;
    const { issuer, secret } = this.#options;
    const useful = issuer !== undefined || secret !== undefined;
    return useful && peer instanceof ProcessPeer ? this.#grants.ofProcess(peer) : undefined;
  }

  /** A session begins: its tokens are this peer's, until `end`. */
  name(sid: string, peer: HttpPeer): void {
    this.#sessions.set(sid, peer);
  }

  /** The same for a session of the legacy era. @returns A token to call it by; undefined where none is issued. */
  async begin(sid: string, peer: HttpPeer): Promise<string | undefined> {
    this.name(sid, peer);
    const { issuer, maxAgeMs } = this.#options;
    if (issuer === undefined) return undefined;
    const { principal } = await peer.identity.complete();
    const subject = { sid, id: principal.id, peer: await peer.binding() ?? UNBOUND };
    const { token } = await issuer.mint(subject, maxAgeMs() ?? NO_MAX_AGE_MS);
    // A name of the policy's may be of any length, a header not.
    return token.length > LONGEST_TOKEN ? undefined : token;
  }

  end(sid: string): void {
    this.#sessions.delete(sid);
    this.#options.issuer?.revoke(sid);
  }

  /** Whether a peer may be told its session's token by now. */
  mayBeTold({ identity }: HttpPeer, grant: PeerGrant | undefined): boolean {
    if (grant?.earned === true) return true;
    return this.#options.section.issue === "initialize" && !identity.bootstrap;
  }

  /** The session that a token is for, if whoever shows it may. @returns The session's id. */
  async sessionOf(token: string, peer: HttpPeer): Promise<string | Problem> {
    const { issuer } = this.#options;
    if (issuer === undefined) return noSession();
    const verdict = await issuer.verify(token, { sid: undefined, peer: await peer.binding() });
    if (verdict.valid) return verdict.claims.sid;
    const { code, flaw } = verdict;
    if (flaw === "peer") return noSession("http:session-of-another", code);
    // A client that comes back too late, or with the name of a session of an earlier guard, means no harm.
    return code === "ERR_TOKEN_EXPIRED" || flaw === "malformed" || flaw === "key"
      ? noSession()
      : noSession(`http:session-token, ${flaw}`, code);
  }

  // ── bearers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Over TCP: whom a token speaks for. Only what was given at `/token` of such a door, to whoever bears it, counts. */
  async bearer(authorization: string): Promise<HttpPeer | Problem> {
    const sid = await this.#verify(authorization, undefined);
    if (typeof sid !== "string") return sid;
    const grant = this.#grants.find(sid);
    // One that was made for a process must not become anybody's by being carried to another door.
    if (grant?.bearer !== true) return invalidToken("ERR_TOKEN_FOREIGN", "session");
    return grant.isCurrent() ? new TokenPeer(grant) : invalidToken("ERR_TOKEN_EXPIRED", "session-over");
  }

  /** At a Unix socket nobody has to show a token; one that is shown must be the process's own. */
  async checkShown(headers: Headers, peer: HttpPeer): Promise<Problem | undefined> {
    const authorization = headers.get("authorization");
    if (authorization === undefined || !this.issues) return undefined;
    const sid = await this.#verify(authorization, await peer.binding());
    if (typeof sid !== "string") return sid;
    const grant = this.#grants.find(sid);
    const owner = grant === undefined ? this.#sessions.get(sid) : grant.holder;
    return owner !== undefined && peer.isSame(owner)
      ? undefined
      : invalidToken("ERR_TOKEN_FOREIGN", "session");
  }

  async #verify(authorization: string, peer: PeerBinding | undefined): Promise<string | Problem> {
    const token = /^bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1];
    const verdict = token === undefined
      ? undefined
      : await this.#options.issuer?.verify(token, { sid: undefined, peer });
    if (verdict === undefined) return invalidToken("ERR_TOKEN_INVALID", "malformed");
    return verdict.valid ? verdict.claims.sid : invalidToken(verdict.code, verdict.flaw);
  }

  /** What is asked for at `/token`. */
  issue(peer: HttpPeer, secret: string | undefined): Promise<IssuedToken | Problem> {
    return this.#issuing.issue(peer, secret);
  }
}
