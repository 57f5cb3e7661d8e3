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

export class LineSplitter {
  readonly #limit: number;
  readonly #sink: LineSink;
  #parts: Buffer[] = [];
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
    this.#parts = [];
    this.#length = 0;
    this.#dropping = false;
    return unfinished;
  }

  #keep(rest: Buffer, tick: number): void {
    if (this.#dropping) return this.#sink.dropped(rest, false);
    if (this.#length === 0) this.#begun = tick;
    this.#parts.push(rest);
    this.#length += rest.length;
    if (this.#length > this.#limit) this.#startDropping();
  }

  #finishLine(rest: Buffer, tick: number): void {
    if (!this.#dropping) {
      if (this.#length + rest.length - 1 <= this.#limit) {
        this.#parts.push(rest);
        const line = Buffer.concat(this.#parts, this.#length + rest.length);
        this.#parts = [];
        this.#length = 0;
        return this.#sink.line(line, 0, line.length, Math.min(this.#begun, tick));
      }
      this.#startDropping();
    }
    this.#dropping = false;
    this.#sink.dropped(rest, true);
  }

  #startDropping(): void {
    this.#dropping = true;
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    this.#sink.tooLong(parts);
  }

  #tooLongAtOnce(line: Buffer): void {
    this.#sink.tooLong([]);
    this.#sink.dropped(line, true);
  }
}
