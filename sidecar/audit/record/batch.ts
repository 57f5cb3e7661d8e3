import { sealText, sha256Hex } from "./seal.ts";

const INITIAL_BYTES = 65_536;
/** A buffer that one burst made larger than this is given back. */
const KEPT_BYTES = 1_048_576;

/** Where a record ends in the batch (its newline included), and the head of the chain once it is written. */
interface End {
  readonly offset: number;
  readonly hash: string;
}

/**
 * Sealed records, side by side in one buffer, waiting for one write.
 *
 * The buffer is reused: records are ASCII, so a character is a byte, and both the hash and the write work on the bytes
 * in place (hashing the string instead costs 0.7 µs more per record, measured).
 */
export class RecordBatch {
  #buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;
  #ends: End[] = [];

  get records(): number {
    return this.#ends.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Ends a line that somebody left unfinished in the file. Only before the first record. */
  breakLine(): void {
    this.#buffer[this.#length++] = 0x0a;
  }

  /**
   * Seals a record: the three texts, ASCII, then its hash and the closing brace.
   *
   * They stay apart because joining them costs: `context` is the long one and the same in all records of a session, a
   * flat string that is copied as it is.
   *
   * @returns its hash
   */
  add(head: string, context: string, members: string): string {
    this.#reserve(head.length + context.length + members.length + 128);
    const start = this.#length;
    let end = start + this.#buffer.write(head, start, "latin1");
    end += this.#buffer.write(context, end, "latin1");
    end += this.#buffer.write(members, end, "latin1");
    const hash = sha256Hex(this.#buffer.subarray(start, end));
    this.#length = end + this.#buffer.write(sealText(hash), end, "latin1");
    this.#ends.push({ offset: this.#length, hash });
    return hash;
  }

  /**
   * How many records lie wholly within the first `written` bytes, and the last one's end. One that lacks only its
   * newline is whole: its seal is there, and whoever reads the file will count it.
   */
  whole(written: number): { readonly records: number; readonly last: End | undefined } {
    let records = 0;
    while (records < this.#ends.length && this.#ends[records]!.offset <= written + 1) records++;
    return { records, last: this.#ends[records - 1] };
  }

  clear(): void {
    this.#length = 0;
    this.#ends = [];
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
