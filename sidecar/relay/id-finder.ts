/**
 * Finds the `id` of a message that is too long to keep, so that whoever sent it can be told. Takes the line in pieces
 * and keeps next to nothing. What it finds is good for an error answer only: the message itself is refused.
 */
import type { Buffer } from "node:buffer";

/** Longest key and id that are looked at. */
const LONGEST = 256;

export class IdFinder {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #atKey = false;
  #text = "";
  #key = "";
  #ids: string[] = [];

  push(bytes: Buffer): void {
    for (const byte of bytes) {
      if (this.#inString) this.#stringByte(byte);
      else this.#structuralByte(byte);
    }
  }

  /** JSON text of the id if exactly one usable one was seen, else `null`. */
  answerId(): string {
    const [id] = this.#ids;
    if (this.#ids.length !== 1 || id === undefined) return "null";
    return /^(-?(0|[1-9]\d{0,14})|"[^"\\]*")$/.test(id) && id !== "-0" ? id : "null";
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
        this.#depth++;
        if (this.#depth === 1) this.#startKey();
        return;
      case 0x7d: // }
      case 0x5d: // ]
        if (this.#depth-- === 1) this.#endMember();
        return;
      case 0x3a: // :
        if (this.#depth === 1 && this.#atKey) {
          this.#key = this.#text;
          this.#text = "";
          this.#atKey = false;
        }
        return;
      case 0x2c: // ,
        if (this.#depth === 1) {
          this.#endMember();
          this.#startKey();
        }
        return;
      default:
        if (this.#depth === 1 && byte > 0x20) this.#keep(byte);
    }
  }

  #startKey(): void {
    this.#atKey = true;
    this.#text = "";
    this.#key = "";
  }

  #endMember(): void {
    if (!this.#atKey && this.#key === '"id"') this.#ids.push(this.#text);
    this.#key = "";
  }

  #keep(byte: number): void {
    // Bytes above ASCII make the id unusable, which is what an id cut in the middle of a character is.
    if (this.#text.length < LONGEST) this.#text += byte < 0x80 ? String.fromCharCode(byte) : "\\";
  }
}
