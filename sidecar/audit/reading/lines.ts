import { fstatSync, readSync } from "node:fs";

const CHUNK_BYTES = 1_048_576;
const NEWLINE = 0x0a;

export interface Line {
  /** Without its newline. Valid only until the next line is read: the buffer is reused. */
  readonly bytes: Buffer;
  /** Counts from 1. */
  readonly number: number;
  /** False for what follows the last newline. */
  readonly terminated: boolean;
  /** The line is longer than `limit`: only its beginning is here. */
  readonly cut: boolean;
}

/**
 * Reads a file line by line in bounded memory, whatever is in it, up to where it ends now: a guard may append faster than
 * we read.
 * @param limit Bytes of a line that are kept.
 */
export function* readLines(fd: number, limit: number): Generator<Line> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 0;
  const keep = (bytes: Buffer) => {
    const room = limit + 1 - restBytes;
    if (room > 0) rest.push(Buffer.from(bytes.subarray(0, room)));
    restBytes += bytes.length;
  };
  const finish = (terminated: boolean): Line => {
    const bytes = rest.length === 1 ? rest[0]! : Buffer.concat(rest);
    const cut = restBytes > limit;
    rest = [];
    restBytes = 0;
    return { bytes: cut ? bytes.subarray(0, limit) : bytes, number: ++number, terminated, cut };
  };
  let left = fstatSync(fd).size;
  while (left > 0) {
    const read = readSync(fd, chunk, 0, Math.min(left, CHUNK_BYTES), null);
    if (read === 0) break;
    left -= read;
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1 && end < read; end = chunk.indexOf(NEWLINE, from)) {
      const bytes = chunk.subarray(from, end);
      from = end + 1;
      if (restBytes === 0 && bytes.length <= limit) {
        yield { bytes, number: ++number, terminated: true, cut: false };
      } else {
        keep(bytes);
        yield finish(true);
      }
    }
    if (from < read) keep(chunk.subarray(from, read));
  }
  if (restBytes > 0) yield finish(false);
}
