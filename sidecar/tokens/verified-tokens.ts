import { createHash } from "node:crypto";
import type { TokenClaims } from "./claims.ts";

/** A flood of tokens, all of them genuine, must not fill our memory. */
const MOST = 1024;

/**
 * Tokens whose signature was found right, by the sha256 of all their bytes. Whether a token still counts is asked each
 * time; only the signature is not verified twice.
 */
export class VerifiedTokens {
  // In the order they were last asked for.
  readonly #claims = new Map<string, TokenClaims>();

  get size(): number {
    return this.#claims.size;
  }

  find(token: string): TokenClaims | undefined {
    const key = digest(token);
    const claims = this.#claims.get(key);
    if (claims === undefined) return undefined;
    this.#claims.delete(key);
    this.#claims.set(key, claims);
    return claims;
  }

  add(token: string, claims: TokenClaims, nowSeconds: number): void {
    if (this.#claims.size >= MOST) this.#forget(nowSeconds);
    this.#claims.set(digest(token), claims);
  }

  #forget(nowSeconds: number): void {
    for (const [key, { exp }] of this.#claims) {
      if (exp <= nowSeconds) this.#claims.delete(key);
    }
    const [oldest] = this.#claims.keys();
    if (this.#claims.size >= MOST && oldest !== undefined) this.#claims.delete(oldest);
  }
}

function digest(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
