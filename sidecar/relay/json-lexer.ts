/**
 * JSON's smallest parts, read from bytes without allocating: strings and numbers (RFC 8259).
 *
 * What was seen on the way is left in fields, so that the caller pays only for what it asks.
 */
import { Buffer } from "node:buffer";
import { HASH_START } from "../protocol/keys.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class JsonLexer {
  bytes: Buffer = Buffer.alloc(0);
  end = 0;
  /** FNV-1a of the last string's raw bytes. */
  hash = 0;
  /** Whether the last string held a backslash. */
  escaped = false;
  /** Whether any string so far held a surrogate without its other half. The caller resets it. */
  loneSurrogate = false;
  /** Whether any byte above 0x7f was seen: only then UTF-8 must be checked. */
  nonAscii = false;
  /** Whether a number was seen that no double represents exactly. */
  inexact = false;

  /**
   * @param pos Just behind the opening quote.
   * @returns The position of the closing quote, or -1 for no valid string.
   */
  string(pos: number): number {
    const { bytes, end } = this;
    let hash = HASH_START;
    let seen = 0;
    this.escaped = false;
    while (pos < end) {
      const c = bytes[pos] as number;
      if (c === QUOTE) {
        if (seen > 0x7f) this.nonAscii = true;
        this.hash = hash;
        return pos;
      }
      if (c < 0x20) return -1;
      seen |= c;
      hash = Math.imul(hash ^ c, 0x01000193);
      if (c === BACKSLASH) {
        this.escaped = true;
        pos = this.#escape(pos + 1);
        if (pos < 0) return -1;
      } else pos++;
    }
    return -1;
  }

  /** The same for a string whose text does not matter: no hash, so it is quicker on long ones. */
  skipString(pos: number): number {
    const { bytes, end } = this;
    let seen = 0;
    while (pos < end) {
      const c = bytes[pos] as number;
      if (c === QUOTE) {
        if (seen > 0x7f) this.nonAscii = true;
        return pos;
      }
      if (c < 0x20) return -1;
      seen |= c;
      if (c === BACKSLASH) {
        pos = this.#escape(pos + 1);
        if (pos < 0) return -1;
      } else pos++;
    }
    return -1;
  }

  /**
   * Skips an object or array by counting brackets: nothing in it is checked. For text whose reader checks it again.
   *
   * @returns The position behind it, or -1 when it does not end.
   */
  skipContainer(pos: number): number {
    const { bytes, end } = this;
    let depth = 0;
    while (pos < end) {
      const c = bytes[pos++] as number;
      if (c === QUOTE) {
        pos = this.#skipQuoted(pos) + 1;
        if (pos === 0) return -1;
      } else if (c === 0x7b || c === 0x5b) depth++;
      else if ((c === 0x7d || c === 0x5d) && --depth === 0) return pos;
    }
    return -1;
  }

  /** Long strings are searched natively: a quote ends one unless an odd number of backslashes stands before it. */
  #skipQuoted(start: number): number {
    const { bytes, end } = this;
    let pos = start;
    const soon = Math.min(end, start + 48);
    while (pos < soon) {
      const c = bytes[pos] as number;
      if (c === QUOTE) return pos;
      pos += c === BACKSLASH ? 2 : 1;
    }
    for (;;) {
      const quote = bytes.indexOf(QUOTE, pos);
      if (quote < 0 || quote >= end) return -1;
      let before = quote - 1;
      while (before >= pos && bytes[before] === BACKSLASH) before--;
      if ((quote - before) % 2 === 1) return quote;
      pos = quote + 1;
    }
  }

  /** @returns The position behind the escape, or -1. */
  #escape(pos: number): number {
    if (pos >= this.end) return -1;
    switch (this.bytes[pos]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // /
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
        return pos + 1;
      case 0x75: // u
        return this.#unicode(pos + 1);
      default:
        return -1;
    }
  }

  #unicode(pos: number): number {
    const unit = this.#hex4(pos);
    if (unit < 0) return -1;
    if (unit < 0xd800 || unit > 0xdfff) return pos + 4;
    const next = unit < 0xdc00 && this.bytes[pos + 4] === BACKSLASH && this.bytes[pos + 5] === 0x75
      ? this.#hex4(pos + 6)
      : -1;
    if (next >= 0xdc00 && next <= 0xdfff) return pos + 10;
    this.loneSurrogate = true;
    return pos + 4;
  }

  #hex4(pos: number): number {
    if (pos + 4 > this.end) return -1;
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.bytes[pos + i] as number);
      if (digit < 0) return -1;
      value = (value << 4) | digit;
    }
    return value;
  }

  /**
   * @param pos At the first character of a number.
   * @returns The position behind it, or -1 when it is not JSON's grammar (leading zeros, `+1`, `.5`, `1.`).
   */
  number(pos: number): number {
    const { bytes, end } = this;
    const start = pos;
    if (bytes[pos] === 0x2d) pos++;
    const first = pos;
    pos = this.#digits(pos);
    if (pos === first || (bytes[first] === 0x30 && pos - first > 1)) return -1;
    let plain = true;
    if (pos < end && bytes[pos] === 0x2e) {
      plain = false;
      const fraction = pos + 1;
      pos = this.#digits(fraction);
      if (pos === fraction) return -1;
    }
    if (pos < end && ((bytes[pos] as number) | 0x20) === 0x65) {
      plain = false;
      pos++;
      if (bytes[pos] === 0x2b || bytes[pos] === 0x2d) pos++;
      const exponent = pos;
      pos = this.#digits(exponent);
      if (pos === exponent) return -1;
    }
    if (pos - start > 15 || !plain) this.#checkExact(start, pos);
    return pos;
  }

  #digits(pos: number): number {
    while (pos < this.end && (this.bytes[pos] as number) >= 0x30 && (this.bytes[pos] as number) <= 0x39) pos++;
    return pos;
  }

  #checkExact(start: number, end: number): void {
    if (!this.inexact) this.inexact = !isExactLiteral(ascii(this.bytes, start, end));
  }
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Text of a range that is known to be ASCII. */
export function ascii(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}

/**
 * Whether a double holds exactly the number that the literal says, so that a server which reads numbers in another way
 * (big integers, decimals) still reads the same one. `0.1` does: its shortest spelling is the literal's value.
 */
export function isExactLiteral(literal: string): boolean {
  // A literal this long is a trap for parsers, not a number anybody means.
  if (literal.length > 64) return false;
  const value = Number(literal);
  return Number.isFinite(value) && normalDecimal(literal) === normalDecimal(String(value));
}

/** `-12.50e1` → `-125e0`: digits without outer zeros, and the power of ten. */
function normalDecimal(literal: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(literal);
  if (match === null) return literal;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}
