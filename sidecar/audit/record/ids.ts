import { randomBytes } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const REFUSAL_SPACE = 1n << 40n;

/** A chain's name: 80 random bits. */
export function newChainId(): string {
  return base32(BigInt(`0x${randomBytes(10).toString("hex")}`), 16);
}

/**
 * Ids that refusals carry: `<4 letters of the chain>-<8 letters>`.
 *
 * The second part runs through all 2^40 values in an order that only this process knows (a random odd step is coprime
 * to a power of two): never twice in a chain, which plain random ids would not promise, and no peer can tell from
 * its ids how many refusals others met.
 */
export class RefusalIds {
  readonly #prefix: string;
  readonly #step: bigint = BigInt(`0x${randomBytes(5).toString("hex")}`) | 1n;
  #next: bigint = BigInt(`0x${randomBytes(5).toString("hex")}`);

  constructor(chain: string) {
    this.#prefix = chain.slice(0, 4);
  }

  next(): string {
    this.#next = (this.#next + this.#step) % REFUSAL_SPACE;
    return `${this.#prefix}-${base32(this.#next, 8)}`;
  }
}

function base32(value: bigint, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) {
    text = ALPHABET[Number(value & 31n)]! + text;
    value >>= 5n;
  }
  return text;
}
