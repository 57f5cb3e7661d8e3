/**
 * Where the parts of one message stand in its line: what the scanner leaves behind, and all that others read of it.
 */
import { Buffer } from "node:buffer";
import { type Slot, SLOT_COUNT } from "../protocol/keys.ts";
import { ascii, decodeString } from "./json-lexer.ts";

/** Longest id, in bytes: it is remembered for as long as the request is pending. */
export const MAX_ID_BYTES = 1024;
/** A longer table of argument keys is not kept for the next line. */
const SPANS_KEPT = 8192;
const QUOTE = 0x22;

export class MessageSlots {
  #bytes: Buffer = Buffer.alloc(0);
  readonly #starts = new Int32Array(SLOT_COUNT);
  readonly #ends = new Int32Array(SLOT_COUNT);
  // Slots with an end, so that clearing them costs what was used.
  readonly #filled = new Uint8Array(SLOT_COUNT);
  #filledCount = 0;

  // Where the keys of `params.arguments` stand.
  #argumentSpans = new Int32Array(64);
  #argumentCount = 0;

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

  /** The buffer that the line stands in. */
  protected get bytes(): Buffer {
    return this.#bytes;
  }

  /** Begins a line: nothing of the last one is left. */
  protected use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.clear();
  }

  /** Forgets every position: what is broken has no parts. */
  protected clear(): void {
    while (this.#filledCount > 0) this.#ends[this.#filled[--this.#filledCount] as number] = 0;
    this.#argumentCount = 0;
    if (this.#argumentSpans.length > SPANS_KEPT) this.#argumentSpans = new Int32Array(64);
  }

  /** A value was read to its end. */
  protected fill(slot: number, start: number, end: number): void {
    if (this.#ends[slot] === 0) this.#filled[this.#filledCount++] = slot;
    this.#starts[slot] = start;
    this.#ends[slot] = end;
  }

  protected argument(start: number, end: number): void {
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
