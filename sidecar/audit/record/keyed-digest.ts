import * as crypto from "node:crypto";
import { sha256Hex } from "./seal.ts";

/** How `args_digest` is made; stands in every start record. */
export const KEYED_DIGEST = "sha256-128(key || bytes)";

const KEY_BYTES = 64;
const SMALL = 16_384;
const DIGEST_CHARS = 32;

/**
 * Digests argument bytes under a random key that never leaves this process.
 *
 * Within one chain equal bytes have equal digests; without the key a short value (a PIN, a path) cannot be found by
 * trying all of them. One sha256 over a key that fills its first block, of which half is given out: the half kept back
 * is what makes the plain prefix construction sound (chop-MD: Coron, Dodis, Malinaud, Puniya, CRYPTO 2005), at half the
 * price of HMAC.
 */
export class KeyedDigest {
  readonly #scratch: Buffer = Buffer.alloc(KEY_BYTES + SMALL);

  constructor() {
    crypto.randomFillSync(this.#scratch, 0, KEY_BYTES);
  }

  /** 32 hex digits. */
  digest(bytes: Uint8Array): string {
    if (bytes.length > SMALL) {
      const hash = crypto.createHash("sha256").update(this.#scratch.subarray(0, KEY_BYTES)).update(bytes);
      return hash.digest("hex").slice(0, DIGEST_CHARS);
    }
    this.#scratch.set(bytes, KEY_BYTES);
    return sha256Hex(this.#scratch.subarray(0, KEY_BYTES + bytes.length)).slice(0, DIGEST_CHARS);
  }
}
