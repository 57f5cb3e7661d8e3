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
import { type Buffer, isUtf8 } from "node:buffer";
import { foldKey } from "../../policy/match/fold.ts";
import {
  CASE_BIT,
  foldsToWatched,
  hashText,
  LOOK_ALIKE,
  NOT_WATCHED,
  Place,
  placeOfSlot,
  Slot,
  watchedSlot,
} from "../protocol/keys.ts";
import { isOwnKey, mayBeOwn } from "../protocol/own-keys.ts";
import { IdFinder } from "./id-finder.ts";
import { ascii, decodeString, JsonLexer } from "./json-lexer.ts";
import { MessageSlots } from "./message-slots.ts";
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
/** Longest method, in bytes: it is remembered for as long as the request is pending, and recorded. */
export const MAX_METHOD_BYTES = 1024;

const OBJECT = 0x7b;
const ARRAY = 0x5b;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;
const SPACE = 0x20;
const TAB = 0x09;
const RETURN = 0x0d;

/** Copying such a key with `Object.assign` sets a prototype, and a server may then read `name` from that. */
const PROTO = "__proto__";

/** Objects of the server's whose keys we read; it is walked through these, and over everything else. */
const READ_LENIENTLY: readonly boolean[] = Object.values(Place).map((place) =>
  place === Place.envelope || place === Place.params || place === Place.result || place === Place.error
);

export class StrictScanner extends MessageSlots {
  readonly #lexer = new JsonLexer();
  readonly #keys = new ObjectKeys(MAX_DEPTH);
  #lineStart = 0;
  #lenient = false;
  #flaw: Flaw | undefined;
  #idCount = 0;
  #ownMeta = false;

  // One entry per open container.
  readonly #isObject = new Uint8Array(MAX_DEPTH + 1);
  readonly #places = new Uint8Array(MAX_DEPTH + 1);
  readonly #slots = new Uint8Array(MAX_DEPTH + 1);
  readonly #openedAt = new Int32Array(MAX_DEPTH + 1);

  /**
   * Whether some number in the line may be one that no double holds exactly. `parseValue` looks at each of them.
   */
  get inexact(): boolean {
    return this.#lexer.suspect;
  }

  /** Whether some key of `_meta` is one that only the guard may write, or may be read as one. */
  get ownMeta(): boolean {
    return this.#ownMeta;
  }

  /** The id as it may be put into an answer: what the line says, if it says exactly one valid id. */
  answerId(): string {
    if (this.#broken) return this.#foundId();
    const id = this.#idCount === 1 ? this.id(Slot.id) : undefined;
    if (id === undefined) return "null";
    if (typeof id === "number") return String(id);
    return isUtf8(this.bytes.subarray(this.start(Slot.id), this.end(Slot.id))) ? JSON.stringify(id) : "null";
  }

  // Whether the walk ended before the line did.
  #broken = false;

  /** SDKs write the id last: a line that is broken before it still says which request waits for an answer. */
  #foundId(): string {
    const finder = new IdFinder();
    finder.push(this.bytes.subarray(this.#lineStart, this.#lexer.end));
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
    lexer.sawReturn = false;
    this.#keys.reset(bytes);
    this.use(bytes);
    this.#lineStart = start;
    this.#flaw = undefined;
    this.#broken = false;
    this.#idCount = 0;
    this.#ownMeta = false;
  }

  #note(flaw: Flaw): void {
    this.#flaw ??= flaw;
  }

  #walk(start: number, end: number): void {
    const first = start < end ? this.bytes[start] as number : 0;
    if (first === 0xef || first === 0xfe || first === 0xff) return this.#break("bom");
    if (first === ARRAY) return this.#break("batch");
    const after = this.#value(start);
    if (after < 0) this.#break(this.#whyBroken(start, end));
    else if (first !== OBJECT) this.#note("not-an-object");
    else if (after < end || this.#lexer.sawReturn) this.#note("trailing");
  }

  /**
   * Python, Java, C# and node's readline end a line at a bare carriage return, JSON takes it for a blank: they would
   * read a message in the middle of what we take for one. So it is no blank here, and nowhere in a line.
   */
  #whyBroken(start: number, end: number): Flaw {
    if (this.#flaw === "depth") return "depth";
    return this.bytes.subarray(start, end).includes(RETURN) ? "trailing" : "syntax";
  }

  #break(flaw: Flaw): void {
    this.#broken = true;
    this.#flaw = flaw;
    this.clear();
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
      pos++;
      if (pos < end && (bytes[pos] as number) <= SPACE) pos = this.#blanks(pos);
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
    if (after >= 0 && this.#slot !== Slot.none) this.fill(this.#slot, pos, after);
    return after;
  }

  /** Goes into a container. @returns The position of the first byte in it. */
  #open(c: number, pos: number, depth: number): number {
    const isObject = c === OBJECT;
    this.#isObject[depth] = isObject ? 1 : 0;
    this.#slots[depth] = this.#slot;
    this.#openedAt[depth] = pos;
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
    if (slot !== Slot.none) this.fill(slot, this.#openedAt[depth] as number, pos);
    if (this.#isObject[depth] === 1) this.#keys.close(depth);
    // In an array the next element has no key that would say this.
    this.#slot = Slot.none;
    this.#place = Place.free;
    return pos;
  }

  /** A carriage return is none: see `#whyBroken`. */
  #blanks(pos: number): number {
    const { bytes, end } = this.#lexer;
    while (pos < end && (bytes[pos] === SPACE || bytes[pos] === TAB)) pos++;
    return pos;
  }

  #scalar(c: number, start: number, depth: number): number {
    const lexer = this.#lexer;
    let pos: number;
    if (c === QUOTE) {
      lexer.loneSurrogate = false;
      pos = lexer.string(start + 1) + 1;
      if (pos === 0) return -1;
      // Parsers differ in what they make of half a pair; where we read the text, there must be none.
      if (lexer.loneSurrogate && this.#isRead(depth)) this.#note("surrogate");
    } else {
      pos = c < 0x61 ? lexer.number(start) : lexer.literal(start);
      if (pos < 0) return -1;
    }
    if (this.#slot !== Slot.none) this.fill(this.#slot, start, pos);
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
    const place = this.#places[depth] as Place;
    const close = lexer.key(pos + 1, place === Place.free ? 0 : CASE_BIT);
    if (close < 0) return -1;
    this.#slot = Slot.none;
    this.#place = Place.free;
    if (lexer.plain) this.#plainKey(place, depth, pos + 1, close);
    else this.#spelledKey(place, depth, pos + 1, close);
    pos = close + 1;
    if (pos < end && (bytes[pos] as number) <= SPACE) pos = this.#blanks(pos);
    if (pos >= end || bytes[pos] !== COLON) return -1;
    pos++;
    return pos < end && (bytes[pos] as number) <= SPACE ? this.#blanks(pos) : pos;
  }

  /** A key whose bytes are its text. */
  #plainKey(place: Place, depth: number, start: number, end: number): void {
    const { bytes, hash } = this.#lexer;
    if (end - start === PROTO.length && bytes[start] === UNDERSCORE && ascii(bytes, start, end) === PROTO) {
      this.#note("proto-key");
    }
    if (place === Place.free || place === Place.arguments) return this.#freeKey(place, depth, start, end);
    const slot = watchedSlot(place, hash, bytes, start, end);
    if (slot === LOOK_ALIKE) this.#note("folded-key");
    // What the server says twice, and nobody here reads, is the client's to judge.
    if (this.#lenient && slot === NOT_WATCHED && place !== Place.envelope) return;
    const clash = this.#keys.add(depth, hash, start, end, undefined, true);
    if (clash !== undefined) this.#note(clash);
    if (slot >= 0) this.#expect(slot);
    else if (place === Place.meta && mayBeOwn(bytes, start, end)) this.#ownMeta = true;
  }

  /** A key of an object in which we read no particular one. */
  #freeKey(place: Place, depth: number, start: number, end: number): void {
    const isArgument = place === Place.arguments;
    if (isArgument) this.argument(start, end);
    const clash = this.#keys.add(depth, this.#lexer.hash, start, end, undefined, isArgument);
    if (clash !== undefined) this.#note(clash);
  }

  /**
   * A key with escapes, or beyond ASCII: compared by what it says. No honest client spells a key that we read like
   * this, so that one is refused and its slot is left empty.
   */
  #spelledKey(place: Place, depth: number, start: number, end: number): void {
    const text = decodeString(this.bytes, start, end);
    if (this.#lexer.loneSurrogate) this.#note("surrogate");
    if (text === PROTO) this.#note("proto-key");
    if (place === Place.free) {
      const clash = this.#keys.add(depth, hashText(text, 0), start, end, text, false);
      if (clash !== undefined) this.#note(clash);
      return;
    }
    const folded = foldKey(text);
    if (place === Place.meta && isOwnKey(text)) this.#ownMeta = true;
    if (text.includes("\0") || foldsToWatched(place, folded)) this.#note("folded-key");
    if (place === Place.envelope && folded === "id") this.#idCount++;
    if (place === Place.arguments) this.argument(start, end);
    if (this.#lenient && place !== Place.envelope) return;
    const clash = this.#keys.add(depth, hashText(folded, CASE_BIT), start, end, text, true);
    if (clash !== undefined) this.#note(clash);
  }

  /** The value that comes next is one that we read. */
  #expect(slot: number): void {
    this.#slot = slot;
    this.#place = placeOfSlot(slot);
    if (slot === Slot.id) this.#idCount++;
  }

  #saysTwo(): boolean {
    const at = this.start(Slot.jsonrpc);
    const bytes = this.bytes;
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
