/**
 * JSON's smallest parts, read from bytes without allocating: strings, numbers and literals (RFC 8259).
 *
 * What was seen on the way is left in fields, so that the caller pays only for what it asks. Nothing behind `end` is
 * ever taken for part of a value, though the buffer goes on there: it may hold the next line.
 */
import { Buffer } from "node:buffer";
import { HASH_PRIME, HASH_START } from "../protocol/keys.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Strings are looked at byte by byte up to here, and four bytes at a time from here on. */
const SHORT = 32;

export class JsonLexer {
  bytes: Buffer = Buffer.alloc(0);
  end = 0;
  /** Of the last key: see `HASH_START`. Means nothing when the key is not plain. */
  hash = 0;
  /** Whether the last key is ASCII without escapes, so that its bytes are its text. */
  plain = false;
  /** Whether any string so far held a surrogate without its other half. The caller resets it. */
  loneSurrogate = false;
  /** Whether any byte above 0x7f was seen: only then UTF-8 must be checked. The caller resets it. */
  nonAscii = false;
  /** Whether any number was seen that a double might not hold exactly (`isExactLiteral`). The caller resets it. */
  suspect = false;

  // The buffer under `bytes`, in words of four bytes.
  #words: Int32Array = new Int32Array(0);
  #wordsOf: Buffer | undefined;

  /**
   * Reads an object's key.
   *
   * @param pos Just behind the opening quote.
   * @returns The position of the closing quote, or -1 for no valid string.
   */
  key(pos: number): number {
    const { bytes, end } = this;
    let hash = HASH_START;
    let seen = 0;
    for (; pos < end; pos++) {
      const c = bytes[pos] as number;
      if (c === QUOTE) {
        this.hash = hash;
        this.plain = seen < 0x80;
        if (seen >= 0x80) this.nonAscii = true;
        return pos;
      }
      if (c < 0x20) return -1;
      if (c === BACKSLASH) {
        if (seen >= 0x80) this.nonAscii = true;
        this.plain = false;
        return this.string(pos);
      }
      seen |= c;
      hash = Math.imul(hash ^ (c | 0x20), HASH_PRIME);
    }
    return -1;
  }

  /**
   * Reads a string, or the rest of one.
   *
   * @returns The position of the closing quote, or -1 for no valid string.
   */
  string(pos: number): number {
    const { bytes, end } = this;
    let soon = this.#wordAfter(pos + SHORT);
    for (;;) {
      if (pos >= soon) {
        if (pos >= end) return -1;
        pos = this.#plainText(pos);
        soon = Math.min(end, pos + 4);
      }
      const c = bytes[pos] as number;
      if (c === BACKSLASH) {
        pos = this.#escape(pos + 1);
        if (pos < 0) return -1;
        soon = this.#wordAfter(pos + SHORT);
      } else if (c === QUOTE) return pos;
      else if (c < 0x20) return -1;
      else {
        if (c >= 0x80) this.nonAscii = true;
        pos++;
      }
    }
  }

  /** The next position, from `pos` on, at which a word of four bytes begins; at most `end`. */
  #wordAfter(pos: number): number {
    return Math.min(this.end, pos + (-(this.bytes.byteOffset + pos) & 3));
  }

  /**
   * Skips, four bytes at a time, what is neither a quote, a backslash nor a control character. Each of the three
   * differences has a high bit set if, and only if, one of the four bytes is such a one (Warren, Hacker's Delight, 6-1).
   *
   * @param pos Where a word begins.
   * @returns The beginning of the word that holds such a byte, or the last whole one before `end`.
   */
  #plainText(pos: number): number {
    const { bytes } = this;
    if (this.#wordsOf !== bytes) this.#readWords(bytes);
    const words = this.#words;
    const offset = bytes.byteOffset;
    const last = (offset + this.end) >> 2;
    let at = (offset + pos) >> 2;
    let seen = 0;
    for (; at < last; at++) {
      const word = words[at] as number;
      const quote = word ^ 0x22222222;
      const backslash = word ^ 0x5c5c5c5c;
      const found = ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) |
        ((word - 0x20202020) & ~word);
      if ((found & HIGH_BITS) !== 0) break;
      seen |= word;
    }
    if ((seen & HIGH_BITS) !== 0) this.nonAscii = true;
    return (at << 2) - offset;
  }

  #readWords(bytes: Buffer): void {
    this.#wordsOf = bytes;
    this.#words = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
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
      } else if (c >= 0x5b) {
        // `[` and `{`, `]` and `}` differ in this bit only.
        const bracket = c | 0x20;
        if (bracket === 0x7b) depth++;
        else if (bracket === 0x7d && --depth === 0) return pos;
      }
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
    if (pos < end && bytes[pos] === 0x2e) {
      const fraction = pos + 1;
      pos = this.#digits(fraction);
      if (pos === fraction) return -1;
    }
    // Up to 15 digits, and no exponent, a double gives back what was written (C's DBL_DIG).
    if (pos - start > 15) this.suspect = true;
    if (pos < end && ((bytes[pos] as number) | 0x20) === 0x65) {
      this.suspect = true;
      pos++;
      if (pos < end && (bytes[pos] === 0x2b || bytes[pos] === 0x2d)) pos++;
      const exponent = pos;
      pos = this.#digits(exponent);
      if (pos === exponent) return -1;
    }
    return pos;
  }

  #digits(pos: number): number {
    const { bytes, end } = this;
    while (pos < end) {
      const c = bytes[pos] as number;
      if (c < 0x30 || c > 0x39) break;
      pos++;
    }
    return pos;
  }

  /** @returns The position behind `true`, `false` or `null`, or -1. */
  literal(pos: number): number {
    const { bytes, end } = this;
    const word = bytes[pos] === 0x74 ? TRUE : bytes[pos] === 0x66 ? FALSE : NULL;
    const after = pos + word.length;
    if (after > end) return -1;
    for (let i = 0; i < word.length; i++) if (bytes[pos + i] !== word[i]) return -1;
    return after;
  }
}

const HIGH_BITS = 0x80808080 | 0;
const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Text of a range that is known to be ASCII. */
export function ascii(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}

/** The text of a string literal between its quotes, which the lexer has found valid. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString("utf8", start, end);
  return raw.includes("\\") ? JSON.parse(`"${raw}"`) as string : raw;
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
