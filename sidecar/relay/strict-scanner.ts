/**
 * Proves that one line is one JSON-RPC message that every parser reads alike, and remembers where its parts are.
 *
 * Trusts nothing. What it accepts may be forwarded byte for byte: no key stands twice, no key that the guard reads has
 * a look-alike beside it, ids are strings or safe integers, the text is UTF-8, nothing follows it, and no reader that
 * ends lines in another way than we do finds two lines in it. Whether the message is allowed is decided by others, on
 * what stands at the positions left here.
 *
 * One scanner serves one line at a time and is used again: it allocates nothing for an ordinary message, and keeps
 * nothing of a line but the buffer that it came in.
 */
import { Buffer, isUtf8 } from "node:buffer";
import {
  foldKey,
  foldsToWatched,
  hashFolded,
  LOOK_ALIKE,
  NOT_WATCHED,
  Place,
  placeOfSlot,
  Slot,
  SLOT_COUNT,
  watchedSlot,
} from "../protocol/keys.ts";
import { IdFinder } from "./id-finder.ts";
import { ascii, decodeString, JsonLexer } from "./json-lexer.ts";
import { ObjectKeys } from "./object-keys.ts";

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
/** Longest id and longest method, in bytes: they are remembered for as long as a request is pending. */
export const MAX_ID_BYTES = 1024;
export const MAX_METHOD_BYTES = 1024;

/** A longer table of argument keys is not kept for the next line. */
const SPANS_KEPT = 8192;

const OBJECT = 0x7b;
const ARRAY = 0x5b;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const RETURN = 0x0d;

/** Copying such a key with `Object.assign` sets a prototype, and a server may then read `name` from that. */
const PROTO = "__proto__";
const PROTO_HASH = hashFolded(PROTO);

/** Objects of the server's whose keys we read; it is walked through these, and over everything else. */
const READ_LENIENTLY: readonly boolean[] = Object.values(Place).map((place) =>
  place === Place.envelope || place === Place.params || place === Place.result || place === Place.error
);

export class StrictScanner {
  readonly #lexer = new JsonLexer();
  readonly #keys = new ObjectKeys(MAX_DEPTH);
  #bytes: Buffer = Buffer.alloc(0);
  #lineStart = 0;
  #lenient = false;
  #flaw: Flaw | undefined;
  #idCount = 0;

  // One entry per open container.
  readonly #isObject = new Uint8Array(MAX_DEPTH + 1);
  readonly #places = new Uint8Array(MAX_DEPTH + 1);
  readonly #slots = new Uint8Array(MAX_DEPTH + 1);

  readonly #starts = new Int32Array(SLOT_COUNT);
  readonly #ends = new Int32Array(SLOT_COUNT);
  // Slots with an end, so that clearing them costs what was used.
  readonly #filled = new Uint8Array(SLOT_COUNT);
  #filledCount = 0;

  // Where the keys of `params.arguments` stand.
  #argumentSpans = new Int32Array(64);
  #argumentCount = 0;

  /**
   * Whether some number in the line may be one that no double holds exactly. `parseValue` looks at each of them.
   */
  get inexact(): boolean {
    return this.#lexer.suspect;
  }

  /** Keys of `params.arguments`, in the order they came. Text is made of them only here. */
  get argumentKeys(): readonly string[] {
    const keys: string[] = [];
    for (let i = 0; i < this.#argumentCount; i += 2) {
      keys.push(
        decodeString(this.#bytes, this.#argumentSpans[i] as number, this.#argumentSpans[i + 1] as number),
      );
    }
    return keys;
  }

  has(slot: Slot): boolean {
    return (this.#ends[slot] as number) > 0;
  }

  /** First byte of the slot's value; 0 when absent. */
  start(slot: Slot): number {
    return this.has(slot) ? this.#starts[slot] as number : 0;
  }

  /** Behind the last byte of the slot's value; 0 when absent. */
  end(slot: Slot): number {
    return this.#ends[slot] as number;
  }

  /** First byte of the slot's value as a character code, which tells its type; 0 when absent. */
  first(slot: Slot): number {
    return this.has(slot) ? this.#bytes[this.#starts[slot] as number] as number : 0;
  }

  /** The value of a slot that holds a string; undefined when absent or of another type. */
  text(slot: Slot): string | undefined {
    if (this.first(slot) !== QUOTE) return undefined;
    return decodeString(this.#bytes, this.start(slot) + 1, this.end(slot) - 1);
  }

  /** An id; undefined when absent, and when it is neither a string of fair length nor a safe integer. */
  id(slot: typeof Slot.id | typeof Slot.requestId): string | number | undefined {
    const first = this.first(slot);
    if (first === 0 || this.end(slot) - this.start(slot) > MAX_ID_BYTES) return undefined;
    if (first === QUOTE) return this.text(slot);
    const small = smallNumber(this.#bytes, this.start(slot), this.end(slot));
    return small >= 0 ? small : safeInteger(ascii(this.#bytes, this.start(slot), this.end(slot)));
  }

  /** The id as it may be put into an answer: what the line says, if it says exactly one valid id. */
  answerId(): string {
    if (this.#broken) return this.#foundId();
    const id = this.#idCount === 1 ? this.id(Slot.id) : undefined;
    if (id === undefined) return "null";
    if (typeof id === "number") return String(id);
    return isUtf8(this.#bytes.subarray(this.start(Slot.id), this.end(Slot.id))) ? JSON.stringify(id) : "null";
  }

  // Whether the walk ended before the line did.
  #broken = false;

  /** SDKs write the id last: a line that is broken before it still says which request waits for an answer. */
  #foundId(): string {
    const finder = new IdFinder();
    finder.push(this.#bytes.subarray(this.#lineStart, this.#lexer.end));
    return finder.answerId();
  }

  /**
   * Scans `bytes[start..end)`, which holds a whole line with or without its newline.
   *
   * @returns The first flaw, or undefined for a message that is sound. The rest is still read after it, as far as it
   * can be, so that `answerId` can name the request.
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
    while (start < end && isSpace(bytes[start] as number)) start++;
    this.#reset(bytes, start, end);
    this.#walk(start, end);
    if (this.#lexer.nonAscii && !this.#lenient && !this.#broken && !isUtf8(bytes.subarray(start, end))) {
      this.#flaw = "utf8";
    }
    this.#flaw ??= this.#checkEnvelope();
    return this.#flaw;
  }

  #reset(bytes: Buffer, start: number, end: number): void {
    const lexer = this.#lexer;
    lexer.bytes = bytes;
    lexer.end = end;
    lexer.nonAscii = false;
    lexer.suspect = false;
    this.#keys.reset(bytes);
    this.#bytes = bytes;
    this.#lineStart = start;
    this.#flaw = undefined;
    this.#broken = false;
    this.#idCount = 0;
    this.#clearSlots();
  }

  #clearSlots(): void {
    while (this.#filledCount > 0) this.#ends[this.#filled[--this.#filledCount] as number] = 0;
    this.#argumentCount = 0;
    if (this.#argumentSpans.length > SPANS_KEPT) this.#argumentSpans = new Int32Array(64);
  }

  #fill(slot: number, end: number): void {
    if (this.#ends[slot] === 0) this.#filled[this.#filledCount++] = slot;
    this.#ends[slot] = end;
  }

  #note(flaw: Flaw): void {
    this.#flaw ??= flaw;
  }

  #walk(start: number, end: number): void {
    const first = start < end ? this.#bytes[start] as number : 0;
    if (first === 0xef || first === 0xfe || first === 0xff) return this.#break("bom");
    if (first === ARRAY) return this.#break("batch");
    if (this.#lenient && this.#hasReturn(start, end)) this.#note("trailing");
    const after = this.#value(start);
    if (after < 0) this.#break(this.#whyBroken(start, end));
    else if (first !== OBJECT) this.#note("not-an-object");
    else if (after < end) this.#note("trailing");
  }

  #whyBroken(start: number, end: number): Flaw {
    if (this.#flaw === "depth") return "depth";
    return this.#bytes.subarray(start, end).includes(RETURN) ? "trailing" : "syntax";
  }

  #break(flaw: Flaw): void {
    this.#broken = true;
    this.#flaw = flaw;
    this.#clearSlots();
  }

  // The first carriage return behind a position of a buffer: lines come in order, so each is searched once.
  #returnOf: Buffer | undefined;
  #returnFrom = 0;
  #returnAt = 0;

  /**
   * Python, Java, C# and node's readline end a line at a bare carriage return, JSON takes it for a blank: they would
   * read a message in the middle of what we take for one. In a line that is walked through, `#blanks` sees to it.
   */
  #hasReturn(start: number, end: number): boolean {
    if (this.#returnOf !== this.#bytes || start < this.#returnFrom || start > this.#returnAt) {
      const found = this.#bytes.indexOf(RETURN, start);
      this.#returnOf = this.#bytes;
      this.#returnFrom = start;
      this.#returnAt = found < 0 ? Infinity : found;
    }
    return this.#returnAt < end;
  }

  // What is known of the value at hand, from the key before it.
  #slot: number = Slot.none;
  #place: Place = Place.free;

  /** Walks one value without recursion. @returns The position behind it and the blanks after it, or -1. */
  #value(pos: number): number {
    const { bytes, end } = this.#lexer;
    let depth = 0;
    this.#slot = Slot.none;
    this.#place = Place.envelope;
    for (;;) {
      if (pos >= end) return -1;
      const c = bytes[pos] as number;
      if (this.#slot !== Slot.none) this.#starts[this.#slot] = pos;
      if (c !== OBJECT && c !== ARRAY) pos = this.#scalar(c, pos, depth);
      else if (this.#isSkipped(c, depth)) pos = this.#skip(pos);
      else {
        pos = this.#open(c, pos, ++depth);
        if (pos >= end) return -1;
        // `{` and `}`, `[` and `]`, are two apart.
        if (bytes[pos] !== c + 2) {
          if (c === OBJECT) pos = this.#key(pos, depth);
          if (pos < 0) return -1;
          continue;
        }
        pos = this.#close(depth--, pos + 1);
      }
      if (pos < 0) return -1;
      // Behind a value: everything that ends here, then a comma or the end of the line.
      for (;;) {
        if (pos < end && (bytes[pos] as number) <= SPACE) pos = this.#blanks(pos);
        if (depth === 0) return pos;
        if (pos >= end) return -1;
        if (bytes[pos] === COMMA) break;
        if (bytes[pos] !== (this.#isObject[depth] === 1 ? 0x7d : 0x5d)) return -1;
        pos = this.#close(depth--, pos + 1);
      }
      pos = this.#blanks(pos + 1);
      if (this.#isObject[depth] === 1) {
        pos = this.#key(pos, depth);
        if (pos < 0) return -1;
      }
    }
  }

  #isSkipped(c: number, depth: number): boolean {
    if (depth < MAX_DEPTH && !this.#lenient) return false;
    if (depth < MAX_DEPTH && c === OBJECT && READ_LENIENTLY[this.#place] === true) return false;
    if (depth === MAX_DEPTH) this.#note("depth");
    return true;
  }

  #skip(pos: number): number {
    const after = this.#lexer.skipContainer(pos);
    if (after >= 0 && this.#slot !== Slot.none) this.#fill(this.#slot, after);
    return after;
  }

  /** Goes into a container. @returns The position of the first byte in it. */
  #open(c: number, pos: number, depth: number): number {
    const isObject = c === OBJECT;
    this.#isObject[depth] = isObject ? 1 : 0;
    this.#slots[depth] = this.#slot;
    this.#places[depth] = isObject ? this.#place : Place.free;
    if (isObject) this.#keys.open(depth);
    else {
      this.#slot = Slot.none;
      this.#place = Place.free;
    }
    return this.#blanks(pos + 1);
  }

  #close(depth: number, pos: number): number {
    const slot = this.#slots[depth] as number;
    if (slot !== Slot.none) this.#fill(slot, pos);
    if (this.#isObject[depth] === 1) this.#keys.close(depth);
    // In an array the next element has no key that would say this.
    this.#slot = Slot.none;
    this.#place = Place.free;
    return pos;
  }

  /** A carriage return is none to us: see `#hasReturn`. */
  #blanks(pos: number): number {
    const { bytes, end } = this.#lexer;
    while (pos < end && (bytes[pos] === SPACE || bytes[pos] === TAB)) pos++;
    return pos;
  }

  #scalar(c: number, pos: number, depth: number): number {
    const lexer = this.#lexer;
    if (c === QUOTE) {
      lexer.loneSurrogate = false;
      pos = lexer.string(pos + 1) + 1;
      if (pos === 0) return -1;
      // Parsers differ in what they make of half a pair; where we read the text, there must be none.
      if (lexer.loneSurrogate && this.#isRead(depth)) this.#note("surrogate");
    } else {
      pos = c < 0x61 ? lexer.number(pos) : lexer.literal(pos);
      if (pos < 0) return -1;
    }
    if (this.#slot !== Slot.none) this.#fill(this.#slot, pos);
    return pos;
  }

  #isRead(depth: number): boolean {
    return this.#slot !== Slot.none || (depth > 0 && this.#places[depth] === Place.envelope);
  }

  /** Reads `"key" :`. @returns The position of the value, or -1. */
  #key(pos: number, depth: number): number {
    const lexer = this.#lexer;
    const { bytes, end } = lexer;
    if (pos >= end || bytes[pos] !== QUOTE) return -1;
    lexer.loneSurrogate = false;
    const close = lexer.key(pos + 1);
    if (close < 0) return -1;
    this.#slot = Slot.none;
    this.#place = Place.free;
    if (lexer.plain) this.#plainKey(this.#places[depth] as Place, depth, pos + 1, close);
    else this.#spelledKey(this.#places[depth] as Place, depth, pos + 1, close);
    pos = close + 1;
    if (pos < end && (bytes[pos] as number) <= SPACE) pos = this.#blanks(pos);
    if (pos >= end || bytes[pos] !== COLON) return -1;
    pos++;
    return pos < end && (bytes[pos] as number) <= SPACE ? this.#blanks(pos) : pos;
  }

  /** A key whose bytes are its text. */
  #plainKey(place: Place, depth: number, start: number, end: number): void {
    const { bytes, hash } = this.#lexer;
    if (end - start === PROTO.length && hash === PROTO_HASH && ascii(bytes, start, end) === PROTO) {
      this.#note("proto-key");
    }
    const slot = place === Place.free ? NOT_WATCHED : watchedSlot(place, hash, bytes, start, end);
    if (slot === LOOK_ALIKE) this.#note("folded-key");
    // What the server says twice, and nobody here reads, is the client's to judge.
    if (this.#lenient && slot === NOT_WATCHED && place !== Place.envelope) return;
    const clash = this.#keys.add(depth, hash, start, end, undefined, place !== Place.free);
    if (clash !== undefined) this.#note(clash);
    if (place === Place.arguments) this.#argument(start, end);
    if (slot >= 0) this.#expect(slot);
  }

  /**
   * A key with escapes, or beyond ASCII: compared by what it says. No honest client spells a key that we read like
   * this, so that one is refused and its slot is left empty.
   */
  #spelledKey(place: Place, depth: number, start: number, end: number): void {
    const text = decodeString(this.#bytes, start, end);
    if (this.#lexer.loneSurrogate) this.#note("surrogate");
    if (text === PROTO) this.#note("proto-key");
    const folded = foldKey(text);
    if (place !== Place.free) {
      if (text.includes("\0") || foldsToWatched(place, folded)) this.#note("folded-key");
      if (place === Place.envelope && folded === "id") this.#idCount++;
      if (place === Place.arguments) this.#argument(start, end);
    }
    if (this.#lenient && place !== Place.envelope) return;
    const clash = this.#keys.add(depth, hashFolded(folded), start, end, text, place !== Place.free);
    if (clash !== undefined) this.#note(clash);
  }

  /** The value that comes next is one that we read. */
  #expect(slot: number): void {
    this.#slot = slot;
    this.#place = placeOfSlot(slot);
    if (slot === Slot.id) this.#idCount++;
  }

  #argument(start: number, end: number): void {
    const count = this.#argumentCount;
    if (count === this.#argumentSpans.length) {
      const larger = new Int32Array(count * 2);
      larger.set(this.#argumentSpans);
      this.#argumentSpans = larger;
    }
    this.#argumentSpans[count] = start;
    this.#argumentSpans[count + 1] = end;
    this.#argumentCount = count + 2;
  }

  #saysTwo(): boolean {
    const at = this.start(Slot.jsonrpc);
    const bytes = this.#bytes;
    return this.end(Slot.jsonrpc) - at === 5 && bytes[at] === QUOTE && bytes[at + 1] === 0x32 &&
      bytes[at + 2] === 0x2e && bytes[at + 3] === 0x30;
  }

  /** JSON-RPC 2.0 §4 and §5, as MCP narrows them: an id is never null, params are an object. */
  #checkEnvelope(): Flaw | undefined {
    if (!this.#saysTwo()) return "shape";
    if (this.has(Slot.id) && this.id(Slot.id) === undefined) return "id";
    const answers = Number(this.has(Slot.result)) + Number(this.has(Slot.error));
    if (this.has(Slot.method)) {
      if (this.first(Slot.method) !== QUOTE) return "method";
      if (this.end(Slot.method) - this.start(Slot.method) > MAX_METHOD_BYTES) return "method";
      if (answers > 0) return "shape";
      if (this.has(Slot.params) && this.first(Slot.params) !== OBJECT) return "params";
      return undefined;
    }
    return answers === 1 && this.has(Slot.id) && !this.has(Slot.params) ? undefined : "shape";
  }
}

function isSpace(c: number): boolean {
  return c === SPACE || c === 0x0a || c === RETURN || c === TAB;
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
