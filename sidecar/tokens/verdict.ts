import type { GuardErrorCode } from "../model/errors.ts";
import type { TokenClaims } from "./claims.ts";

/** In characters. A token of ours is about 700. */
export const LONGEST_TOKEN = 4096;

/** What is wrong with a token, for the audit log. None of them says anything of its content. */
export const TOKEN_FLAWS = {
  /** Longer than any token of ours; nothing of it was read. */
  oversized: "ERR_TOKEN_INVALID",
  /** Not a JWS in compact form, in its one canonical spelling. */
  malformed: "ERR_TOKEN_INVALID",
  /** Not ES256: `none`, an HMAC under our public key, or any other. */
  algorithm: "ERR_TOKEN_INVALID",
  /** Signed under a key that is not ours. */
  key: "ERR_TOKEN_INVALID",
  signature: "ERR_TOKEN_INVALID",
  issuer: "ERR_TOKEN_INVALID",
  audience: "ERR_TOKEN_INVALID",
  /** A claim is missing, or of another type. */
  claims: "ERR_TOKEN_INVALID",
  expired: "ERR_TOKEN_EXPIRED",
  /** It begins later, or says that it was made later, than now. */
  "not-yet": "ERR_TOKEN_INVALID",
  /** Made under another policy. */
  policy: "ERR_TOKEN_EXPIRED",
  /** Its session has ended, or is none of this guard's. */
  "session-over": "ERR_TOKEN_EXPIRED",
  /** Shown in another session than its own. */
  session: "ERR_TOKEN_FOREIGN",
  /** Shown by another process than its own. */
  peer: "ERR_TOKEN_FOREIGN",
} as const satisfies Record<string, GuardErrorCode>;

export type TokenFlaw = keyof typeof TOKEN_FLAWS;

/** A refusal is a value. */
export type TokenVerdict =
  | { readonly valid: true; readonly claims: TokenClaims }
  | { readonly valid: false; readonly code: GuardErrorCode; readonly flaw: TokenFlaw };

export function flawed(flaw: TokenFlaw): TokenVerdict & { valid: false } {
  return { valid: false, code: TOKEN_FLAWS[flaw], flaw };
}
