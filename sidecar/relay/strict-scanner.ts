/**
 * Proves that one line is one JSON-RPC message that every parser reads alike, and remembers where its parts are.
 *
 * Trusts nothing. What it accepts may be forwarded byte for byte: no key stands twice, no key that the guard reads has
 * a look-alike beside it, ids are strings or safe integers, the text is UTF-8 and nothing follows it. Whether the
 * message is allowed is decided by others, on what stands at the positions left here.
 *
 * One scanner serves one line at a time and is used again: it allocates nothing for an ordinary message.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { foldKey, foldsToWatched, Place, placeOfSlot, Slot, SLOT_COUNT, watchedSlot } from "../protocol/keys.ts";
import { ascii, JsonLexer } from "./json-lexer.ts";

/** Why a line is refused. `syntax` is answered with -32700, everything else with -32600. */
export type Flaw =
  | "syntax"
  | "bom"
  | "utf8"
  | "batch"
  | "not-an-object"
  | "trailing"
  | "depth"
  | "duplicate-key"
  | "folded-key"
  | "proto-key"
  | "surrogate"
  | "id"
  | "method"
  | "params"
  | "shape";

export const MAX_DEPTH = 128;
/** An object with more keys than this is checked for duplicates by a set, not by comparing each with each. */
const FEW_KEYS = 24;

const enum0 = { object: 0, array: 1 } as const;

export class StrictScanner {
  readonly #lexer = new JsonLexer();
  #bytes: Buffer = Buffer.alloc(0);
  #lenient = false;
  #flaw: Flaw | undefined;
  #idCount = 0;

  // One entry per open container.
  readonly #kinds = new Uint8Array(MAX_DEPTH + 2);
  readonly #places = new Uint8Array(MAX_DEPTH + 2);
  readonly #slots = new Uint8Array(MAX_DEPTH + 2);
  readonly #firstKey = new Int32Array(MAX_DEPTH + 2);
  readonly #keySets: (Set<string> | undefined)[] = new Array(MAX_DEPTH + 2).fill(undefined);

  // Keys of all open objects, innermost last.
  #keyHash = new Int32Array(256);
  #keyStart = new Int32Array(256);
  #keyEnd = new Int32Array(256);
  #keyText: (string | undefined)[] = [];
  #keyCount = 0;

  readonly #starts = new Int32Array(SLOT_COUNT);
  readonly #ends = new Int32Array(SLOT_COUNT);
  #unwatchedFolds: (string[] | undefined)[] = [];
  #argumentKeys: string[] = [];

  /** Whether some number in the line is one that no double holds exactly. */
  get inexact(): boolean {
    return this.#lexer.inexact;
  }

  /** Keys of `params.arguments`, in the order they came. */
  get argumentKeys(): readonly string[] {
    return this.#argumentKeys;
  }

  has(slot: Slot): boolean {
    return (this.#ends[slot] as number) > 0;
  }

  /** First byte of the slot's value. */
  start(slot: Slot): number {
    return this.#starts[slot] as number;
  }

  /** Behind the last byte of the slot's value; 0 when absent. */
  end(slot: Slot): number {
    return this.#ends[slot] as number;
  }

  /** First byte of the slot's value as a character code, which tells its type; 0 when absent. */
  first(slot: Slot): number {
    return this.has(slot) ? this.#bytes[this.start(slot)] as number : 0;
  }

  /** The value of a slot that holds a string; undefined when absent or of another type. */
  text(slot: Slot): string | undefined {
    if (this.first(slot) !== 0x22) return undefined;
    return decodeString(this.#bytes, this.start(slot) + 1, this.end(slot) - 1);
  }

  /** The message's id; undefined when absent, `invalid` when it is neither a string nor a safe integer. */
  id(slot: typeof Slot.id | typeof Slot.requestId): string | number | undefined {
    const first = this.first(slot);
    if (first === 0x22) return this.text(slot);
    if (first === 0) return undefined;
    const small = smallNumber(this.#bytes, this.start(slot), this.end(slot));
    return small >= 0 ? small : safeInteger(ascii(this.#bytes, this.start(slot), this.end(slot)));
  }

  /** The id as it may be put into an answer: what the line says, if it says exactly one valid id. */
  answerId(): string {
    if (this.#idCount !== 1 || this.id(Slot.id) === undefined) return "null";
    const id = this.id(Slot.id);
    return typeof id === "string" ? JSON.stringify(id) : String(id);
  }

  /**
   * Scans `bytes[start..end)`, which holds a whole line with or without its newline.
   *
   * @returns The first flaw, or undefined for a message that is sound. After a flaw other than `syntax` the rest was
   * still read, so that `answerId` can name the request.
   */
  scan(bytes: Buffer, start: number, end: number): Flaw | undefined {
    this.#lenient = false;
    return this.#scan(bytes, start, end);
  }

  /**
   * The same for a line from the server, which its reader checks again: only the envelope, and the keys that we read,
   * are held to be unambiguous. What lies deeper passes as it is.
   */
  scanLenient(bytes: Buffer, start: number, end: number): Flaw | undefined {
    this.#lenient = true;
    return this.#scan(bytes, start, end);
  }

  #scan(bytes: Buffer, start: number, end: number): Flaw | undefined {
    while (end > start && isSpace(bytes[end - 1] as number)) end--;
    this.#reset(bytes, end);
    let pos = start;
    while (pos < end && isSpace(bytes[pos] as number)) pos++;
    if (pos < end) this.#walk(pos);
    else this.#note("syntax");
    if (this.#lexer.nonAscii && !this.#lenient && this.#flaw !== "syntax" && !isUtf8(bytes.subarray(start, end))) this.#flaw = "utf8";
    this.#flaw ??= this.#checkEnvelope();
    return this.#flaw;
  }

  #reset(bytes: Buffer, end: number): void {
    const lexer = this.#lexer;
    lexer.bytes = bytes;
    lexer.end = end;
    lexer.nonAscii = false;
    lexer.inexact = false;
    lexer.loneSurrogate = false;
    this.#bytes = bytes;
    this.#flaw = undefined;
    this.#idCount = 0;
    this.#keyCount = 0;
    this.#ends.fill(0);
    if (this.#unwatchedFolds.length > 0) this.#unwatchedFolds = [];
    if (this.#argumentKeys.length > 0) this.#argumentKeys = [];
  }

  #note(flaw: Flaw): void {
    this.#flaw ??= flaw;
  }

  #walk(pos: number): void {
    const first = this.#bytes[pos] as number;
    if (first === 0xef || first === 0xfe || first === 0xff) return this.#note("bom");
    if (first === 0x5b) return this.#note("batch");
    const after = this.#value(pos);
    if (first !== 0x7b && after >= 0) return this.#note("not-an-object");
    if (after < 0) this.#flaw = this.#flaw === "depth" ? "depth" : "syntax";
    else if (after < this.#lexer.end) this.#note("trailing");
  }

  /** Walks one value without recursion. @returns The position behind it and the blanks after it, or -1. */
  #value(pos: number): number {
    const lexer = this.#lexer;
    const { bytes, end } = lexer;
    let depth = 0;
    let slot: number = Slot.none;
    let place: Place = Place.envelope;
    for (;;) {
      // At the first byte of a value.
      let c = bytes[pos] as number;
      if (pos >= end) return -1;
      if (slot !== Slot.none) this.#starts[slot] = pos;
      if (this.#lenient && (c === 0x5b || (c === 0x7b && place === Place.free))) {
        pos = lexer.skipContainer(pos);
        if (pos < 0) return -1;
        if (slot !== Slot.none) this.#ends[slot] = pos;
        pos = this.#blanks(pos);
      } else if (c === 0x7b || c === 0x5b) {
        if (++depth > MAX_DEPTH) {
          this.#note("depth");
          return -1;
        }
        this.#kinds[depth] = c === 0x7b ? enum0.object : enum0.array;
        this.#slots[depth] = slot;
        this.#places[depth] = c === 0x7b ? place : Place.free;
        this.#firstKey[depth] = this.#keyCount;
        this.#keySets[depth] = undefined;
        pos = this.#blanks(pos + 1);
        if (bytes[pos] === c + 2) {
          pos = this.#blanks(this.#close(depth--, pos + 1));
        } else if (c === 0x7b) {
          pos = this.#key(pos, depth);
          if (pos < 0) return -1;
          slot = this.#slot;
          place = this.#placeOfValue;
          continue;
        } else {
          slot = Slot.none;
          place = Place.free;
          continue;
        }
      } else {
        pos = this.#scalar(c, pos, depth === 0 ? Place.free : this.#places[depth] as Place);
        if (pos < 0) return -1;
        if (slot !== Slot.none) this.#ends[slot] = pos;
        pos = this.#blanks(pos);
      }
      // Behind a value.
      for (;;) {
        if (depth === 0) return pos;
        c = bytes[pos] as number;
        if (pos >= end) return -1;
        if (c === 0x2c) {
          pos = this.#blanks(pos + 1);
          if (this.#kinds[depth] === enum0.object) {
            pos = this.#key(pos, depth);
            if (pos < 0) return -1;
            slot = this.#slot;
            place = this.#placeOfValue;
          } else {
            slot = Slot.none;
            place = Place.free;
          }
          break;
        }
        if (c !== (this.#kinds[depth] === enum0.object ? 0x7d : 0x5d)) return -1;
        pos = this.#blanks(this.#close(depth--, pos + 1));
      }
    }
  }

  #close(depth: number, pos: number): number {
    const slot = this.#slots[depth] as number;
    if (slot !== Slot.none) this.#ends[slot] = pos;
    this.#keyCount = this.#firstKey[depth] as number;
    return pos;
  }

  #blanks(pos: number): number {
    const { bytes, end } = this.#lexer;
    while (pos < end && isSpace(bytes[pos] as number)) pos++;
    return pos;
  }

  #scalar(c: number, pos: number, place: Place): number {
    const lexer = this.#lexer;
    if (c === 0x22) {
      lexer.loneSurrogate = false;
      const close = lexer.skipString(pos + 1);
      if (close < 0) return -1;
      // Parsers differ in what they make of half a pair; where we read the text, there must be none.
      if (lexer.loneSurrogate && place !== Place.free && place !== Place.arguments) this.#note("surrogate");
      return close + 1;
    }
    if (c === 0x2d || (c >= 0x30 && c <= 0x39)) return lexer.number(pos);
    return literalEnd(lexer.bytes, pos, lexer.end);
  }

  // What `#key` found out about the member whose value comes next.
  #slot: number = Slot.none;
  #placeOfValue: Place = Place.free;

  /** Reads `"key" :`. @returns The position of the value, or -1. */
  #key(pos: number, depth: number): number {
    const lexer = this.#lexer;
    if (pos >= lexer.end || lexer.bytes[pos] !== 0x22) return -1;
    lexer.loneSurrogate = false;
    const close = lexer.string(pos + 1);
    if (close < 0) return -1;
    if (lexer.loneSurrogate) this.#note("surrogate");
    this.#record(depth, pos + 1, close);
    pos = this.#blanks(close + 1);
    if (pos >= lexer.end || lexer.bytes[pos] !== 0x3a) return -1;
    return this.#blanks(pos + 1);
  }

  #record(depth: number, start: number, end: number): void {
    const lexer = this.#lexer;
    const { hash, escaped } = lexer;
    const place = this.#places[depth] as Place;
    // A key spelled with escapes is compared by what it says; no honest client escapes the keys we read.
    const text = escaped ? decodeString(lexer.bytes, start, end) : undefined;
    this.#slot = Slot.none;
    this.#placeOfValue = Place.free;
    const slot = escaped || place === Place.free ? -1 : watchedSlot(place, hash, lexer.bytes, start, end);
    if (this.#lenient && slot < 0 && place !== Place.envelope) {
      if (text !== undefined && foldsToWatched(place, foldKey(text))) this.#note("folded-key");
      return;
    }
    if (this.#isProto(start, end, text)) this.#note("proto-key");
    if (this.#isDuplicate(depth, hash, start, end, text)) this.#note("duplicate-key");
    if (place === Place.free) return;
    if (slot < 0) return this.#checkFold(place, text ?? decodeString(lexer.bytes, start, end));
    this.#slot = slot;
    this.#placeOfValue = placeOfSlot(slot);
    if (slot === Slot.id) this.#idCount++;
  }

  /** Copying such a key with `Object.assign` sets a prototype, and a server may then read `name` from that. */
  #isProto(start: number, end: number, text: string | undefined): boolean {
    if (text !== undefined) return text === "__proto__";
    return end - start === 9 && this.#bytes[start] === 0x5f && ascii(this.#bytes, start, end) === "__proto__";
  }

  #checkFold(place: Place, key: string): void {
    const folded = foldKey(key);
    if (place === Place.arguments) this.#argumentKeys.push(key);
    const siblings = this.#unwatchedFolds[place] ??= [];
    // `key` itself may be a watched key that was spelled with escapes: refused too, its slot was not recorded.
    if (foldsToWatched(place, folded) || siblings.includes(folded) || key.includes("\0")) this.#note("folded-key");
    else siblings.push(folded);
  }

  #isDuplicate(depth: number, hash: number, start: number, end: number, text: string | undefined): boolean {
    const from = this.#firstKey[depth] as number;
    const set = this.#keySets[depth];
    if (set !== undefined) {
      const key = text ?? decodeString(this.#bytes, start, end);
      if (set.has(key)) return true;
      set.add(key);
      return false;
    }
    for (let i = from; i < this.#keyCount; i++) {
      if (text !== undefined || this.#keyText[i] !== undefined) {
        if (this.#textOfKey(i) === (text ?? decodeString(this.#bytes, start, end))) return true;
      } else if (this.#keyHash[i] === hash && this.#sameBytes(i, start, end)) return true;
    }
    this.#push(hash, start, end, text);
    if (this.#keyCount - from > FEW_KEYS) this.#useSet(depth, from);
    return false;
  }

  #useSet(depth: number, from: number): void {
    const set = new Set<string>();
    for (let i = from; i < this.#keyCount; i++) set.add(this.#textOfKey(i));
    this.#keySets[depth] = set;
    this.#keyCount = from;
  }

  #textOfKey(i: number): string {
    return this.#keyText[i] ?? decodeString(this.#bytes, this.#keyStart[i] as number, this.#keyEnd[i] as number);
  }

  #sameBytes(i: number, start: number, end: number): boolean {
    const other = this.#keyStart[i] as number;
    if ((this.#keyEnd[i] as number) - other !== end - start) return false;
    for (let k = 0; k < end - start; k++) if (this.#bytes[other + k] !== this.#bytes[start + k]) return false;
    return true;
  }

  #push(hash: number, start: number, end: number, text: string | undefined): void {
    const i = this.#keyCount++;
    if (i >= this.#keyHash.length) {
      this.#keyHash = grown(this.#keyHash);
      this.#keyStart = grown(this.#keyStart);
      this.#keyEnd = grown(this.#keyEnd);
    }
    this.#keyHash[i] = hash;
    this.#keyStart[i] = start;
    this.#keyEnd[i] = end;
    this.#keyText[i] = text;
  }

  #saysTwo(): boolean {
    const at = this.start(Slot.jsonrpc);
    const { bytes } = this.#lexer;
    return this.end(Slot.jsonrpc) - at === 5 && bytes[at] === 0x22 && bytes[at + 1] === 0x32 &&
      bytes[at + 2] === 0x2e && bytes[at + 3] === 0x30;
  }

  /** JSON-RPC 2.0 §4 and §5, as MCP narrows them: an id is never null, params are an object. */
  #checkEnvelope(): Flaw | undefined {
    if (!this.#saysTwo()) return "shape";
    if (this.has(Slot.id) && this.id(Slot.id) === undefined) return "id";
    const answers = Number(this.has(Slot.result)) + Number(this.has(Slot.error));
    if (this.has(Slot.method)) {
      if (this.first(Slot.method) !== 0x22) return "method";
      if (answers > 0) return "shape";
      if (this.has(Slot.params) && this.first(Slot.params) !== 0x7b) return "params";
      return undefined;
    }
    return answers === 1 && this.has(Slot.id) && !this.has(Slot.params) ? undefined : "shape";
  }
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}

/** @returns The position behind `true`, `false` or `null`, or -1. */
function literalEnd(bytes: Uint8Array, pos: number, end: number): number {
  const word = bytes[pos] === 0x74 ? "true" : bytes[pos] === 0x66 ? "false" : bytes[pos] === 0x6e ? "null" : "";
  if (word === "" || pos + word.length > end) return -1;
  for (let i = 1; i < word.length; i++) if (bytes[pos + i] !== word.charCodeAt(i)) return -1;
  return pos + word.length;
}

/** The text of a string literal between its quotes. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString("utf8", start, end);
  return raw.includes("\\") ? JSON.parse(`"${raw}"`) as string : raw;
}

/** The number that `bytes[start..end)` spells, when it is short and plain; -1 otherwise. */
function smallNumber(bytes: Buffer, start: number, end: number): number {
  if (end - start > 9 || (bytes[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** `-?(0|[1-9][0-9]*)` within ±(2^53-1). `-0` is no id: it would come back as `0`. */
function safeInteger(literal: string): number | undefined {
  if (!/^-?(0|[1-9][0-9]{0,15})$/.test(literal) || literal === "-0") return undefined;
  const value = Number(literal);
  return Number.isSafeInteger(value) ? value : undefined;
}
