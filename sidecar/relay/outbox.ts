/**
 * What is about to be written to one side, gathered until everything in the chunk at hand was judged and audited.
 *
 * Neighbouring slices of one buffer become one slice: a write per line costs five times the CPU of a write per chunk.
 */
import { Buffer } from "node:buffer";
import type { ByteStream } from "../platform/platform.ts";

export class Outbox {
  #stream: Pick<ByteStream, "write"> | undefined;
  #segments: Buffer[] = [];
  /** Let go, and waiting for a stream. */
  #waiting: Buffer[] = [];
  // The run of lines that is still growing, as a range of one buffer.
  #run: Buffer | undefined;
  #runStart = 0;
  #runEnd = 0;

  /** @param stream Undefined: what is gathered waits for `attach`. */
  constructor(stream: Pick<ByteStream, "write"> | undefined) {
    this.#stream = stream;
  }

  /** Where it goes from now on; undefined while there is nobody to write to. */
  attach(stream: Pick<ByteStream, "write"> | undefined): void {
    this.#stream = stream;
  }

  /** Forwards `bytes[start..end)` as they are. The buffer must not be changed before `flush`. */
  forward(bytes: Buffer, start: number, end: number): void {
    if (this.#run === bytes && this.#runEnd === start) {
      this.#runEnd = end;
      return;
    }
    this.#closeRun();
    this.#run = bytes;
    this.#runStart = start;
    this.#runEnd = end;
  }

  /** Adds a line of our own making; the newline is added here. */
  send(line: string): void {
    this.#closeRun();
    this.#segments.push(Buffer.from(line + "\n", "utf8"));
  }

  /** Adds bytes that a rule rewrote, newline included. */
  sendBytes(line: Buffer): void {
    this.#closeRun();
    this.#segments.push(line);
  }

  /** Forgets what was gathered since the last flush: nothing of it may go out. */
  discard(): void {
    this.#segments = [];
    this.#run = undefined;
  }

  /** @returns false when the other side should be given time to read before more is taken in. */
  flush(): boolean {
    this.#closeRun();
    const stream = this.#stream;
    if (stream === undefined || this.#waiting.length > 0) {
      this.#waiting.push(...this.#segments);
      this.#segments = [];
    }
    if (stream === undefined) return true;
    const segments = this.#waiting.length > 0 ? this.#waiting : this.#segments;
    const [first] = segments;
    if (first === undefined) return true;
    this.#waiting = [];
    this.#segments = [];
    return stream.write(segments.length === 1 ? first : Buffer.concat(segments));
  }

  #closeRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const whole = this.#runStart === 0 && this.#runEnd === run.length;
    this.#segments.push(whole ? run : run.subarray(this.#runStart, this.#runEnd));
  }
}
