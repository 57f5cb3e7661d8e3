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
const RETURN = 0x0d;
/** Strings are looked at byte by byte up to here, and four bytes at a time from here on. */
const SHORT = 32;

/** What a byte means in a string: itself (`PLAIN`), `QUOTE`, `BACKSLASH`, `CONTROL`, or `BEYOND_ASCII`. */
const PLAIN = 0;
const CONTROL = 1;
const BEYOND_ASCII = 2;
const KIND = Uint8Array.from(
  { length: 256 },
  (_, c) => c < 0x20 ? CONTROL : c > 0x7f ? BEYOND_ASCII : c === QUOTE || c === BACKSLASH ? c : PLAIN,
);
/** What may follow a backslash, save `u`. */
const ESCAPES = Uint8Array.from(
  { length: 256 },
  (_, c) => '"\\/bfnrt'.includes(String.fromCharCode(c)) ? 1 : 0,
);

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

  /** Whether `skipContainer` saw a carriage return. The caller resets it. */
  sawReturn = false;

  // The buffer under `bytes`, in words of four bytes.
  #words: Int32Array = new Int32Array(0);
  #wordsOf: Buffer | undefined;
  #offset = 0;

  /**
   * Reads an object's key.
   *
   * @param pos Just behind the opening quote.
   * @param caseBit What is set in each byte before it is hashed: see `HASH_START`.
   * @returns The position of the closing quote, or -1 for no valid string.
   */
  key(pos: number, caseBit: number): number {
    const { bytes, end } = this;
    let hash = HASH_START;
    for (; pos < end; pos++) {
      const c = bytes[pos] as number;
      if (KIND[c] !== PLAIN) {
        this.hash = hash;
        this.plain = c === QUOTE;
        return this.plain ? pos : this.string(pos);
      }
      hash = Math.imul(hash ^ (c | caseBit), HASH_PRIME);
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
    let soon = pos + SHORT;
    for (;;) {
      if (pos >= soon) {
        pos = this.#plainText(pos);
        soon = pos + 8;
      }
      if (pos >= end) return -1;
      const kind = KIND[bytes[pos] as number];
      if (kind === PLAIN) pos++;
      else if (kind === QUOTE) return pos;
      else if (kind === BACKSLASH) {
        pos = this.#escape(pos + 1);
        if (pos < 0) return -1;
      } else if (kind === CONTROL) return -1;
      else {
        this.nonAscii = true;
        pos++;
      }
    }
  }

  /**
   * Skips, four bytes at a time, what is neither a quote, a backslash nor a control character. Each of the three
   * differences has a high bit set if, and only if, one of the four bytes is such a one (Warren, Hacker's Delight, 6-1).
   *
   * @returns A position up to which there is no such byte; at most three bytes before the first one, or before `end`.
   */
  #plainText(pos: number): number {
    const { bytes, end } = this;
    if (this.#wordsOf !== bytes) this.#readWords(bytes);
    const offset = this.#offset;
    for (; ((offset + pos) & 3) !== 0; pos++) {
      if (pos >= end || KIND[bytes[pos] as number] !== PLAIN) return pos;
    }
    const words = this.#words;
    const last = (offset + end) >> 2;
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
    this.#offset = bytes.byteOffset;
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
      } else if (c === RETURN) this.sawReturn = true;
    }
    return -1;
  }

  /**
   * Text is looked at byte by byte, and what is long searched natively: a quote ends it unless an odd number of
   * backslashes stands before it. Behind one that does not, the bytes come first again: text full of quotes is common.
   */
  #skipQuoted(pos: number): number {
    const { bytes, end } = this;
    for (;;) {
      const soon = Math.min(end, pos + 48);
      while (pos < soon) {
        const c = bytes[pos] as number;
        if (KIND[c] === PLAIN) pos++;
        else if (c === QUOTE) return pos;
        else {
          if (c === RETURN || (c === BACKSLASH && bytes[pos + 1] === RETURN)) this.sawReturn = true;
          pos += c === BACKSLASH ? 2 : 1;
        }
      }
      const quote = pos < end ? bytes.indexOf(QUOTE, pos) : -1;
      if (quote < 0 || quote >= end) return -1;
      if (bytes.subarray(pos, quote).includes(RETURN)) this.sawReturn = true;
      let before = quote - 1;
      while (before >= pos && bytes[before] === BACKSLASH) before--;
      if ((quote - before) % 2 === 1) return quote;
      pos = quote + 1;
    }
  }

  /** @returns The position behind the escape, or -1. */
  #escape(pos: number): number {
    if (pos >= this.end) return -1;
    const c = this.bytes[pos] as number;
    if (ESCAPES[c] === 1) return pos + 1;
    return c === 0x75 ? this.#unicode(pos + 1) : -1;
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
  if (String(value) === literal) return true;
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
