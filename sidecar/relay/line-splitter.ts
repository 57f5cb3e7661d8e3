/**
 * Cuts a byte stream into lines. Pure: no I/O, and a hard limit on what it keeps.
 *
 * A line that lies whole in one chunk is reported in place, so that neighbouring lines can be forwarded as one slice;
 * only a line that spans chunks is copied, once, at its newline.
 */
import { Buffer } from "node:buffer";

export interface LineSink {
  /**
   * One line, newline included, as `bytes[start..end)`.
   * @param begun The `tick` of the chunk that the line's first byte came in.
   */
  line(bytes: Buffer, start: number, end: number, begun: number): void;
  /** A line grew over the limit. What came of it so far; the rest is dropped up to the next newline. */
  tooLong(chunks: readonly Buffer[]): void;
  /** More of the line that was too long; `last` when its newline has come. */
  dropped(bytes: Buffer, last: boolean): void;
}

const NEWLINE = 0x0a;
/** Pieces shorter than this are gathered in blocks of twice the size. */
const SMALL = 4096;
/** An honest line comes in a few pieces: they are not copied before its end. */
const FEW_PARTS = 16;

export class LineSplitter {
  readonly #limit: number;
  readonly #sink: LineSink;
  #parts: Buffer[] = [];
  // The last part, when it has room: it is filled up to `#blockUsed`.
  #block: Buffer | undefined;
  #blockUsed = 0;
  #length = 0;
  #begun = 0;
  #dropping = false;

  /** @param limit Longest line that is kept, in bytes, newline not counted. */
  constructor(limit: number, sink: LineSink) {
    this.#limit = limit;
    this.#sink = sink;
  }

  /** Bytes of an unfinished line that are held. */
  get held(): number {
    return this.#length;
  }

  /** @param tick When this chunk came, on any clock that the caller also stamps its own acts with. */
  push(chunk: Buffer, tick: number): void {
    let start = 0;
    if (this.#length > 0 || this.#dropping) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0) return this.#keep(chunk, tick);
      this.#finishLine(chunk.subarray(0, newline + 1), tick);
      start = newline + 1;
    }
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline < 0) break;
      if (newline - start > this.#limit) this.#tooLongAtOnce(chunk.subarray(start, newline + 1));
      else this.#sink.line(chunk, start, newline + 1, tick);
      start = newline + 1;
    }
    if (start < chunk.length) this.#keep(start === 0 ? chunk : chunk.subarray(start), tick);
  }

  /** @returns Whether the stream ended in the middle of a line, which is then forgotten. */
  finish(): boolean {
    const unfinished = this.#length > 0 || this.#dropping;
    this.#takeParts();
    this.#dropping = false;
    return unfinished;
  }

  #keep(rest: Buffer, tick: number): void {
    if (this.#dropping) return this.#sink.dropped(rest, false);
    if (this.#length === 0) this.#begun = tick;
    this.#add(rest);
    if (this.#length > this.#limit) this.#startDropping();
  }

  /**
   * A chunk of one byte costs two hundred in objects: a line that is sent byte by byte must not take two hundred times
   * its length. So small pieces are copied together.
   */
  #add(piece: Buffer): void {
    this.#length += piece.length;
    if (piece.length >= SMALL || (this.#block === undefined && this.#parts.length < FEW_PARTS)) {
      this.#closeBlock();
      this.#parts.push(piece);
      return;
    }
    if (this.#block !== undefined && this.#blockUsed + piece.length > this.#block.length) this.#closeBlock();
    this.#block ??= Buffer.allocUnsafe(2 * SMALL);
    this.#blockUsed += piece.copy(this.#block, this.#blockUsed);
  }

  #closeBlock(): void {
    if (this.#block === undefined) return;
    this.#parts.push(this.#block.subarray(0, this.#blockUsed));
    this.#block = undefined;
    this.#blockUsed = 0;
  }

  /** Hands over what was kept, and forgets it. */
  #takeParts(): Buffer[] {
    this.#closeBlock();
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    return parts;
  }

  #finishLine(rest: Buffer, tick: number): void {
    if (!this.#dropping) {
      if (this.#length + rest.length - 1 <= this.#limit) {
        this.#add(rest);
        const line = Buffer.concat(this.#takeParts());
        return this.#sink.line(line, 0, line.length, Math.min(this.#begun, tick));
      }
      this.#startDropping();
    }
    this.#dropping = false;
    this.#sink.dropped(rest, true);
  }

  #startDropping(): void {
    this.#dropping = true;
    this.#sink.tooLong(this.#takeParts());
  }

  #tooLongAtOnce(line: Buffer): void {
    this.#sink.tooLong([]);
    this.#sink.dropped(line, true);
  }
}
