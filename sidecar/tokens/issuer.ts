/**
 * Makes tokens and verifies them: one issuer for one guard.
 *
 * Trusts its key, its clock and its list of live sessions. Defends against: forged and altered tokens, tokens of other
 * guards, servers and policies, tokens that outlive their session, and stolen ones wherever the caller knows the process
 * that shows them. Leaves to others: who may have a token at all, and a bearer's theft on TCP, where nobody knows the
 * process.
 */
import { randomBytes } from "node:crypto";
import { type JWK, SignJWT } from "jose";
import { confirmation, isSamePeer, type PeerBinding, type TokenClaims, type TokenSubject } from "./claims.ts";
import { verifySignature } from "./signature.ts";
import { ALGORITHM, openSigningKey, type SigningKey } from "./signing-key.ts";
import { flawed, LONGEST_TOKEN, type TokenVerdict } from "./verdict.ts";
import { VerifiedTokens } from "./verified-tokens.ts";

export interface IssuerOptions {
  /** The server's name: the audience. */
  readonly audience: string;
  readonly trustDomain: string;
  /** Of the policy that is enforced. */
  readonly policyDigest: string;
  /** How long a token counts. */
  readonly ttlMs: number;
  /** A P-256 private key in PEM. @default {a new one, of this process alone} */
  readonly keyPem?: Uint8Array | undefined;
  /** Milliseconds of the epoch. @default {the system's clock} */
  readonly now?: () => number;
}

/** Where and by whom a token is shown. */
export interface Shown {
  /** The session it is shown in. Undefined: it is what names the session, which the caller then takes from the claims. */
  readonly sid: string | undefined;
  /** Who shows it. Undefined only where nobody can know, which is TCP: there a token is a bearer. */
  readonly peer: PeerBinding | undefined;
}

/** A token that was made, with what it says. */
export interface MintedToken {
  readonly token: string;
  readonly claims: TokenClaims;
}

/** The clock may be set back a little while a token is on its way. Nothing is given beyond `exp`. */
const SKEW_SECONDS = 5;

export class TokenIssuer {
  readonly #key: SigningKey;
  readonly #options: IssuerOptions;
  readonly #issuer: string;
  readonly #verified = new VerifiedTokens();
  /** Sessions whose tokens count: a list of those that do cannot grow without end as one of those that do not. */
  readonly #live = new Set<string>();
  #policyDigest: string;
  /** Sessions that were let stay when the policy changed. */
  #staying: ReadonlySet<string> = new Set();

  /** @throws {GuardError} `ERR_CONFIG_INVALID` for a key that cannot be used. */
  static async open(options: IssuerOptions): Promise<TokenIssuer> {
    return new TokenIssuer(await openSigningKey(options.keyPem), options);
  }

  private constructor(key: SigningKey, options: IssuerOptions) {
    this.#key = key;
    this.#options = options;
    this.#issuer = `spiffe://${options.trustDomain}`;
    this.#policyDigest = options.policyDigest;
  }

  /** The public keys that tokens are verified with, as a JWK Set (RFC 7517, 5). */
  get jwks(): { readonly keys: readonly JWK[] } {
    return { keys: [this.#key.jwk] };
  }

  /**
   * Makes a token for a session, which lives from here on until `revoke`.
   *
   * @param ttlMs How long it counts. @default {as long as the issuer's tokens do}
   */
  async mint({ sid, id, peer }: TokenSubject, ttlMs: number = this.#options.ttlMs): Promise<MintedToken> {
    this.#live.add(sid);
    const iat = this.#seconds();
    const claims: TokenClaims = {
      iss: this.#issuer,
      sub: id,
      aud: this.#options.audience,
      exp: iat + Math.max(1, Math.floor(ttlMs / 1000)),
      iat,
      nbf: undefined,
      jti: randomBytes(16).toString("base64url"),
      sid,
      policy: this.#policyDigest,
      cnf: peer,
    };
    const { nbf: _, cnf, ...plain } = claims;
    const token = await new SignJWT({ ...plain, cnf: confirmation(cnf) })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#key.kid, typ: "JWT" })
      .sign(this.#key.privateKey);
    this.#verified.add(token, claims, iat);
    return { token, claims };
  }

  /** Whether a token counts, here and now. Never throws: whatever cannot be told is a refusal. */
  async verify(token: string, shown: Shown): Promise<TokenVerdict> {
    const known = this.known(token, shown);
    if (known !== undefined) return known;
    const found = await verifySignature(token, {
      key: this.#key,
      issuer: this.#issuer,
      audience: this.#options.audience,
    });
    if (typeof found === "string") return flawed(found);
    this.#verified.add(token, found, this.#seconds());
    return this.#judge(found, shown);
  }

  /** The same at once, for a token whose signature was verified before. @returns Undefined for any other. */
  known(token: string, shown: Shown): TokenVerdict | undefined {
    // What is too long is not even hashed.
    const claims = token.length > LONGEST_TOKEN ? undefined : this.#verified.find(token);
    return claims === undefined ? undefined : this.#judge(claims, shown);
  }

  /** The session has ended: none of its tokens counts any more, here or in any cache of ours. */
  revoke(sid: string): void {
    this.#live.delete(sid);
  }

  /**
   * Another policy is enforced from here on: tokens that were made under an older one count no more.
   *
   * @param staying Sessions that the new policy lets live: theirs count as long as they do.
   */
  adoptPolicy(digest: string, staying: Iterable<string> = []): void {
    this.#policyDigest = digest;
    this.#staying = new Set(staying);
  }

  #judge(claims: TokenClaims, { sid, peer }: Shown): TokenVerdict {
    const now = this.#seconds();
    if (claims.exp <= now) return flawed("expired");
    if (Math.max(claims.iat, claims.nbf ?? 0) > now + SKEW_SECONDS) return flawed("not-yet");
    // Before whether it is theirs: a thief is told the same whatever became of the session.
    if (sid !== undefined && claims.sid !== sid) return flawed("session");
    if (peer !== undefined && !isSamePeer(claims.cnf, peer)) return flawed("peer");
    if (!this.#live.has(claims.sid)) return flawed("session-over");
    if (claims.policy !== this.#policyDigest && !this.#staying.has(claims.sid)) return flawed("policy");
    return { valid: true, claims };
  }

  #seconds(): number {
    return Math.floor((this.#options.now ?? Date.now)() / 1000);
  }
}
