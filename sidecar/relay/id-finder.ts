/**
 * Finds the `id` of a message that is too long to keep, so that whoever sent it can be told. Takes the line in pieces
 * and keeps next to nothing. What it finds is good for an error answer only: the message itself is refused.
 */
import type { Buffer } from "node:buffer";

/** Longest key and id that are looked at. */
const LONGEST = 256;

export class IdFinder {
  #depth = 0;
  // Whether the outermost value is an object, and still open: nothing behind it is looked at.
  #inside = false;
  #begun = false;
  #inString = false;
  #escaped = false;
  #atKey = false;
  #text = "";
  #blank = false;
  #key = "";
  #id = "";
  #count = 0;

  push(bytes: Buffer): void {
    for (const byte of bytes) {
      if (this.#inString) this.#stringByte(byte);
      else this.#structuralByte(byte);
    }
  }

  /** JSON text of the id if exactly one usable one was seen, else `null`. */
  answerId(): string {
    return this.#count === 1 && USABLE.test(this.#id) && this.#id !== "-0" ? this.#id : "null";
  }

  #stringByte(byte: number): void {
    if (this.#depth === 1) this.#keep(byte);
    if (this.#escaped) this.#escaped = false;
    else if (byte === 0x5c) this.#escaped = true;
    else if (byte === 0x22) this.#inString = false;
  }

  #structuralByte(byte: number): void {
    switch (byte) {
      case 0x22: // "
        this.#inString = true;
        if (this.#depth === 1) this.#keep(byte);
        return;
      case 0x7b: // {
      case 0x5b: // [
        return this.#open(byte === 0x7b);
      case 0x7d: // }
      case 0x5d: // ]
        return this.#close();
      case 0x3a: // :
        if (this.#depth === 1 && this.#atKey) this.#endKey();
        return;
      case 0x2c: // ,
        if (this.#depth !== 1) return;
        this.#endMember();
        return this.#startKey();
      default:
        if (this.#depth !== 1) return;
        if (byte > 0x20) this.#keep(byte);
        else this.#blank = this.#text !== "";
    }
  }

  #open(isObject: boolean): void {
    if (++this.#depth !== 1) {
      // An id that holds a container is none.
      if (this.#depth === 2) this.#keep(UNUSABLE);
      return;
    }
    this.#inside = isObject && !this.#begun;
    this.#begun = true;
    this.#startKey();
  }

  #close(): void {
    if (this.#depth === 0) return;
    if (this.#depth-- !== 1) return;
    this.#endMember();
    this.#inside = false;
  }

  #startKey(): void {
    this.#atKey = true;
    this.#startText();
    this.#key = "";
  }

  #endKey(): void {
    this.#key = this.#text;
    this.#startText();
    this.#atKey = false;
  }

  #startText(): void {
    this.#text = "";
    this.#blank = false;
  }

  #endMember(): void {
    if (this.#inside && !this.#atKey && this.#key === '"id"') {
      this.#id = this.#text;
      this.#count++;
    }
    this.#key = "";
  }

  /** What would make an answer that is not JSON, or another id than was meant, makes the id unusable. */
  #keep(byte: number): void {
    const usable = byte >= 0x20 && byte < 0x7f && !this.#blank;
    if (this.#text.length < LONGEST) this.#text += usable ? String.fromCharCode(byte) : "\\";
  }
}

const UNUSABLE = 0;
const USABLE = /^(-?(0|[1-9]\d{0,14})|"[^"\\]*")$/;
