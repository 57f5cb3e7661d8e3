/**
 * The keys of the objects that are open at a position of a line: finds two that are equal, or that some lax parser
 * would take for equal.
 *
 * Keys are compared where they stand. Only a spelling with escapes or beyond ASCII, and an object with many keys, makes
 * text of them; nothing of a line is kept after `reset`.
 */
import { Buffer } from "node:buffer";
import { foldKey } from "../../policy/match/fold.ts";
import { sameLetter } from "../protocol/keys.ts";
import { decodeString } from "./json-lexer.ts";

export type Clash = "duplicate-key" | "folded-key";

/** An object with more keys is checked with a map: to compare each with each would take quadratic time. */
const FEW_KEYS = 24;

const STRIDE = 3;

export class ObjectKeys {
  #bytes: Buffer = Buffer.alloc(0);
  // Keys of all open objects, innermost last.
  // Three numbers for each: its hash, where it begins and where it ends.
  #table = new Int32Array(256 * STRIDE);
  #count = 0;
  /** Text of the keys whose bytes are not their text, by their index. */
  readonly #texts = new Map<number, string>();
  // Both maps are empty for almost every line, and asking them costs more than all the rest.
  #anyTexts = false;
  #anyMaps = false;
  readonly #first: Int32Array;
  /** By depth: what each folded key of a large object says. */
  readonly #maps = new Map<number, Map<string, string>>();

  constructor(maxDepth: number) {
    this.#first = new Int32Array(maxDepth + 1);
  }

  /** Begins a line. What the last one left is forgotten: a hostile line must not be able to fill our memory. */
  reset(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#count = 0;
    if (this.#anyTexts) this.#texts.clear();
    if (this.#anyMaps) this.#maps.clear();
    this.#anyTexts = false;
    this.#anyMaps = false;
  }

  open(depth: number): void {
    this.#first[depth] = this.#count;
  }

  close(depth: number): void {
    this.#count = this.#first[depth] as number;
    if (this.#anyMaps) this.#maps.delete(depth);
  }

  /**
   * Adds a key of the object that is open at `depth`.
   *
   * @param hash Of the key, folded where look-alikes count: see `HASH_START`.
   * @param text Set when the key is not plain: its bytes are not its text.
   * @param folding Whether look-alikes count in this object.
   */
  add(
    depth: number,
    hash: number,
    start: number,
    end: number,
    text: string | undefined,
    folding: boolean,
  ): Clash | undefined {
    const map = this.#anyMaps ? this.#maps.get(depth) : undefined;
    if (map !== undefined) return this.#addToMap(map, text ?? decodeString(this.#bytes, start, end), folding);
    const first = this.#first[depth] as number;
    const table = this.#table;
    for (let i = first; i < this.#count; i++) {
      if (table[i * STRIDE] !== hash) continue;
      const clash = text === undefined && !(this.#anyTexts && this.#texts.has(i))
        ? this.#compareBytes(i, start, end)
        : compareTexts(this.#textOf(i), text ?? decodeString(this.#bytes, start, end), folding);
      if (clash === "duplicate-key" || (clash !== undefined && folding)) return clash;
    }
    this.#push(hash, start, end, text);
    if (this.#count - first > FEW_KEYS) this.#useMap(depth, first, folding);
    return undefined;
  }

  #addToMap(map: Map<string, string>, text: string, folding: boolean): Clash | undefined {
    const key = folding ? foldKey(text) : text;
    const other = map.get(key);
    if (other === undefined) {
      map.set(key, text);
      return undefined;
    }
    return other === text ? "duplicate-key" : "folded-key";
  }

  #useMap(depth: number, first: number, folding: boolean): void {
    const map = new Map<string, string>();
    for (let i = first; i < this.#count; i++) {
      const text = this.#textOf(i);
      map.set(folding ? foldKey(text) : text, text);
      this.#texts.delete(i);
    }
    this.#maps.set(depth, map);
    this.#anyMaps = true;
    this.#count = first;
  }

  #compareBytes(i: number, start: number, end: number): Clash | undefined {
    const bytes = this.#bytes;
    const offset = (this.#table[i * STRIDE + 1] as number) - start;
    if ((this.#table[i * STRIDE + 2] as number) - offset !== end) return undefined;
    let clash: Clash = "duplicate-key";
    for (let at = start; at < end; at++) {
      const a = bytes[at] as number;
      const b = bytes[at + offset] as number;
      if (a === b) continue;
      if (!sameLetter(a, b)) return undefined;
      clash = "folded-key";
    }
    return clash;
  }

  #textOf(i: number): string {
    const at = i * STRIDE;
    return this.#texts.get(i) ??
      decodeString(this.#bytes, this.#table[at + 1] as number, this.#table[at + 2] as number);
  }

  #push(hash: number, start: number, end: number, text: string | undefined): void {
    const i = this.#count++;
    const at = i * STRIDE;
    if (at >= this.#table.length) this.#table = grown(this.#table);
    this.#table[at] = hash;
    this.#table[at + 1] = start;
    this.#table[at + 2] = end;
    if (text !== undefined) {
      this.#texts.set(i, text);
      this.#anyTexts = true;
    } else if (this.#anyTexts) this.#texts.delete(i);
  }
}

function compareTexts(one: string, other: string, folding: boolean): Clash | undefined {
  if (one === other) return "duplicate-key";
  return folding && foldKey(one) === foldKey(other) ? "folded-key" : undefined;
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
