/**
 * The key that tokens are signed with: of this process alone unless somebody gives one, so that a token dies with the
 * guard that made it.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import { GuardError } from "../model/errors.ts";

/** RFC 7518, 3.4. The only one: what a token says of its algorithm is compared with this and never obeyed. */
export const ALGORITHM = "ES256";

export interface SigningKey {
  /** The RFC 7638 thumbprint of the public half. */
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The public half as others may have it. */
  readonly jwk: JWK;
}

/** @param pem A P-256 private key in PEM, whose file the caller has looked at. Undefined makes a new one.
 * @throws {GuardError} `ERR_CONFIG_INVALID`, which says nothing of the bytes.
 */
export async function openSigningKey(pem?: Uint8Array): Promise<SigningKey> {
  const privateKey = pem === undefined ? newKey() : readKey(pem);
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined) {
    throw new GuardError(
      "ERR_CONFIG_INVALID",
      "Cannot sign tokens with this key: it is not on the curve P-256",
    );
  }
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  return { kid, privateKey, publicKey, jwk: { kty, crv, x, y, kid, alg: ALGORITHM, use: "sig" } };
}

function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function readKey(pem: Uint8Array): KeyObject {
  try {
    return createPrivateKey(new TextDecoder("utf-8", { fatal: true }).decode(pem));
  } catch {
    // Not as the cause: what a parser says of a key may quote it.
    throw new GuardError(
      "ERR_CONFIG_INVALID",
      "Cannot sign tokens: the key's file holds no private key in PEM",
    );
  }
}
