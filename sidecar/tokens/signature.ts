/** Whether the bytes of a token are ours: its form, its algorithm, its key, its signature, whom it is of and for. */
import { Buffer } from "node:buffer";
import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import { readClaims, type TokenClaims } from "./claims.ts";
import { ALGORITHM, type SigningKey } from "./signing-key.ts";
import { LONGEST_TOKEN, type TokenFlaw } from "./verdict.ts";

export interface ExpectedToken {
  readonly key: SigningKey;
  readonly issuer: string;
  readonly audience: string;
}

/**
 * Verifies all of a token that does not change with time. Never throws.
 *
 * Trusts nothing in the header: the key is ours or none, whatever `jwk`, `jku` or `x5c` say, and the algorithm is one.
 */
export async function verifySignature(
  token: string,
  { key, issuer, audience }: ExpectedToken,
): Promise<TokenClaims | TokenFlaw> {
  if (token.length > LONGEST_TOKEN) return "oversized";
  if (!isCanonical(token)) return "malformed";
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (alg !== ALGORITHM) return "algorithm";
    if (kid !== key.kid) return "key";
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: [ALGORITHM],
      typ: "JWT",
      issuer,
      audience,
      // What time makes of it is asked elsewhere, and each time.
      currentDate: new Date(0),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    });
    const claims = readClaims(payload);
    if (claims === undefined) return "claims";
    // A list that holds our name beside others is a token for somebody else, too.
    return claims.aud === audience ? claims : "audience";
  } catch (error) {
    return flawOf(error);
  }
}

/** One spelling for one token: base64url has several for the same bytes, and decoders skip what does not belong. */
function isCanonical(token: string): boolean {
  const parts = token.split(".");
  return parts.length === 3 &&
    parts.every((part) => part !== "" && Buffer.from(part, "base64url").toString("base64url") === part);
}

const CLAIM_FLAWS: ReadonlyMap<string, TokenFlaw> = new Map([["iss", "issuer"], ["aud", "audience"]]);

function flawOf(error: unknown): TokenFlaw {
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (error instanceof errors.JWTClaimValidationFailed) return CLAIM_FLAWS.get(error.claim) ?? "claims";
  return "malformed";
}
