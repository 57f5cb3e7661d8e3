/** Changes single values of a line and leaves every other byte as it came. */
import { Buffer } from "node:buffer";

/** A range of a line, and what stands there from now on. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: Buffer;
}

/** @param splices Ranges within `bytes[start..end)` that do not overlap, in any order. */
export function splice(bytes: Buffer, start: number, end: number, splices: readonly Splice[]): Buffer {
  const parts: Buffer[] = [];
  let pos = start;
  for (const one of [...splices].sort((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(pos, one.start), one.text);
    pos = one.end;
  }
  parts.push(bytes.subarray(pos, end));
  return Buffer.concat(parts);
}
