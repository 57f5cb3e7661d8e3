/**
 * What one session has of tokens and of the one-time secret: whether it still has to show the secret, its own token, and
 * what its server is told of the caller.
 */
import type { TokenSection } from "../../../policy/mod.ts";
import type { SessionIdentity } from "../../audit/audit-log.ts";
import { IDENTITY_KEY, TOKEN_KEY } from "../../protocol/own-keys.ts";
import type { BootstrapOutcome, BootstrapSecret } from "../../tokens/bootstrap-secret.ts";
import type { PeerBinding } from "../../tokens/claims.ts";
import type { MintedToken, TokenIssuer } from "../../tokens/issuer.ts";
import { flawed, LONGEST_TOKEN, type TokenVerdict } from "../../tokens/verdict.ts";
import type { SessionPeer } from "../admission/admit.ts";
import { bindingOf, processName } from "./peer-binding.ts";

/** What the guard has for all its sessions. Of `tokens/` nothing that needs `jose`: a guard without tokens does not load it. */
export interface AccessTerms {
  readonly section: Pick<TokenSection, "issue" | "tool" | "identityToServer">;
  /** Undefined: nobody gets a token. */
  readonly issuer: TokenIssuer | undefined;
  /** Undefined: nobody can show the one-time secret, so whoever has to gets nowhere. */
  readonly secret: BootstrapSecret | undefined;
  /** The server's own one-time secret, read anew. Undefined: the guard shows none. @throws {GuardError} */
  readonly serverSecret: (() => string) | undefined;
  /** Two hold the secret: ends the session that it earned. */
  readonly stolen: (earnedBy: string) => void;
}

type AccessPeer = Pick<SessionPeer, "identity" | "complete" | "bootstrap" | "grant">;

/** Verdicts that wait for their request: one that was cancelled meanwhile never asks. */
const MOST_VERDICTS = 64;

export class SessionAccess {
  /** Whether the guard offers `get_token`. */
  readonly tool: boolean;
  readonly #sid: string;
  readonly #peer: AccessPeer;
  readonly #terms: AccessTerms | undefined;
  #earned = false;
  #binding: PeerBinding | undefined;
  #minted: MintedToken | undefined;
  #minting: Promise<void> | undefined;
  /** Of tokens that are no good: each is asked for once, when the request that showed it is judged again. */
  readonly #verdicts = new Map<string, TokenVerdict>();
  #identityText: string | undefined;
  #closed = false;

  /** @param terms Undefined: the policy speaks neither of tokens nor of the secret. */
  constructor(
    sid: string,
    peer: AccessPeer,
    terms: AccessTerms | undefined,
  ) {
    this.#sid = sid;
    this.#peer = peer;
    this.#terms = terms;
    this.tool = terms?.section.tool === true;
    if (terms?.section.identityToServer === "selectors") this.#identityText = this.#describe(peer.identity);
  }

  /** Whether there is anything to look at; false for a policy that speaks of none of this. */
  get active(): boolean {
    return this.#terms !== undefined || this.#peer.bootstrap;
  }

  /** All there is to know of the peer. */
  identified(identity: SessionIdentity): void {
    if (this.#identityText !== undefined) this.#identityText = this.#describe(identity);
  }

  // ── the one-time secret ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the peer's entry asks for the secret, and it was not shown yet. */
  get locked(): boolean {
    return this.#peer.bootstrap && !this.#hasEarned;
  }

  get #hasEarned(): boolean {
    return this.#earned || this.#peer.grant?.earned === true;
  }

  get takesSecret(): boolean {
    return this.#terms?.secret !== undefined;
  }

  /** The peer shows what it takes for the secret. */
  show(text: string): BootstrapOutcome["outcome"] {
    const { secret, stolen } = this.#terms ?? {};
    if (secret === undefined || this.#closed) return "wrong";
    const { grant, identity } = this.#peer;
    const shown = secret.show(text, {
      sid: grant?.id ?? this.#sid,
      process: processName(identity, this.#sid),
    });
    if (shown.outcome === "earned") {
      this.#earned = true;
      if (grant !== undefined) grant.earned = true;
    }
    if (shown.outcome === "stolen") stolen?.(shown.earnedBy);
    return shown.outcome;
  }

  // ── the session's token ──────────────────────────────────────────────────────────────────────────────────────────

  /** Undefined while there is none, or none that still counts. */
  get token(): string | undefined {
    const minted = this.#minted;
    return minted !== undefined && minted.claims.exp * 1000 > Date.now() ? minted.token : undefined;
  }

  /** Whether a token is due: the first, or the next one when half the time of the last has passed. */
  get needsToken(): boolean {
    const { issuer, section } = this.#terms ?? {};
    if (issuer === undefined || (section?.issue === "bootstrap" && !this.#hasEarned)) return false;
    const claims = this.#minted?.claims;
    return claims === undefined || Date.now() >= (claims.iat + claims.exp) * 500;
  }

  /** Makes one. It waits until the peer is measured in full: the token is bound to what it runs. */
  mint(): Promise<void> {
    return this.#minting ??= this.#mint().finally(() => this.#minting = undefined);
  }

  async #mint(): Promise<void> {
    const identity = await this.#peer.complete();
    const peer = this.#binding = bindingOf(identity.evidence);
    const issuer = this.#terms?.issuer;
    // After its end a session must not come to life again in the issuer's eyes.
    if (issuer === undefined || this.#closed) return;
    this.#minted = await issuer.mint({ sid: this.#sid, id: identity.principal.id, peer });
  }

  // ── a token that is shown ────────────────────────────────────────────────────────────────────────────────────────

  get checksTokens(): boolean {
    return this.#terms?.issuer !== undefined;
  }

  /** @returns Undefined when it has to be verified first. */
  verdictOn(token: string): TokenVerdict | undefined {
    // What is too long is not kept, not even for a moment.
    if (token.length > LONGEST_TOKEN) return flawed("oversized");
    const bad = this.#verdicts.get(token);
    if (bad !== undefined) {
      this.#verdicts.delete(token);
      return bad;
    }
    return this.#binding && this.#terms?.issuer?.known(token, { sid: this.#sid, peer: this.#binding });
  }

  async verify(token: string): Promise<void> {
    const peer = this.#binding ??= bindingOf((await this.#peer.complete()).evidence);
    const verdict = await this.#terms?.issuer?.verify(token, { sid: this.#sid, peer });
    if (verdict?.valid !== false) return;
    this.#verdicts.set(token, verdict);
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size > MOST_VERDICTS && oldest !== undefined) this.#verdicts.delete(oldest);
  }

  // ── what the server is told ──────────────────────────────────────────────────────────────────────────────────────

  /** The secret that a call of the server's own tool is given; undefined where the policy names none. @throws */
  serverSecret(): string | undefined {
    return this.#terms?.serverSecret?.();
  }

  /** Whether the server is told a token, so that requests wait for one that counts. */
  get tellsToken(): boolean {
    return this.#terms?.section.identityToServer === "token";
  }

  get tells(): boolean {
    return this.#terms !== undefined && this.#terms.section.identityToServer !== "none";
  }

  /** Members of a request's `_meta`, as JSON text without braces; undefined: nothing is told. */
  get told(): string | undefined {
    if (!this.tellsToken) return this.#identityText;
    const token = this.token;
    return token === undefined ? undefined : memberOf(TOKEN_KEY, token);
  }

  #describe({ principal: { name, id }, evidence: { selectors } }: SessionIdentity): string {
    return memberOf(IDENTITY_KEY, { name, id, session: this.#sid, selectors });
  }

  /** The session has ended: its tokens end with it. */
  close(): void {
    this.#closed = true;
    this.#minted = undefined;
    this.#terms?.issuer?.revoke(this.#sid);
  }
}

/** A member of an object, as JSON text. */
export function memberOf(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}
