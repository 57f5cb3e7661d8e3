import type { AppendFile } from "./append-file.ts";

/** Other guards' records that may already stand behind ours. */
const SLACK_BYTES = 1_048_576;
/** Enough of a record's beginning to hold its chain and seq, which nobody else writes. */
const UNMISTAKABLE = 48;
const NEWLINE = 0x0a;

/** What an append that failed left in the file nevertheless. */
export interface Landed {
  /** Bytes of the batch, from its beginning. */
  readonly taken: number;
  /** Whether the file ends with a newline now. */
  readonly endsLine: boolean;
  /** The file's size: nothing before it belongs to a later append. */
  readonly size: number;
}

/**
 * Finds out how much of a batch is in the file after its append threw.
 *
 * Node throws only when the kernel took nothing. Deno's `writeSync` goes on after a short write and throws what the
 * next one says (ENOSPC), keeping to itself how much it had written. So we look.
 *
 * @param from The file's size when an append last failed: an earlier attempt at the same record may stand before it.
 */
export function findLanded(file: AppendFile, batch: Buffer, from: number): Landed {
  try {
    const size = file.size();
    const start = Math.max(from, size - batch.length - SLACK_BYTES);
    const tail = Buffer.alloc(Math.max(0, size - start));
    const read = tail.subarray(0, file.read(tail, start));
    const endsLine = read.length === 0
      ? size === 0 || lastByte(file, size) === NEWLINE
      : read.at(-1) === NEWLINE;
    return { taken: prefixIn(read, batch), endsLine, size };
  } catch {
    // A disk that cannot be read either. We take the worst: half a line stands there, and the next record ends it.
    return { taken: 0, endsLine: false, size: from };
  }
}

function prefixIn(tail: Buffer, batch: Buffer): number {
  const lead = batch[0] === NEWLINE ? 1 : 0;
  const at = tail.indexOf(batch.subarray(lead, lead + UNMISTAKABLE));
  if (at !== -1) return lead + commonLength(tail.subarray(at), batch.subarray(lead));
  for (let length = Math.min(UNMISTAKABLE, tail.length); length > 0; length--) {
    if (tail.subarray(-length).equals(batch.subarray(lead, lead + length))) return lead + length;
  }
  return 0;
}

function commonLength(one: Buffer, other: Buffer): number {
  const end = Math.min(one.length, other.length);
  let length = 0;
  while (length < end && one[length] === other[length]) length++;
  return length;
}

function lastByte(file: AppendFile, size: number): number | undefined {
  const byte = Buffer.alloc(1);
  return file.read(byte, size - 1) === 1 ? byte[0] : undefined;
}
