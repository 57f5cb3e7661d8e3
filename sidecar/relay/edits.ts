/** Changes to parts of a line that leave every other byte as it came. */
import { Buffer } from "node:buffer";
import type { Span } from "./json-members.ts";

/** What stands in place of a part; an empty part is an insertion. */
export interface Edit {
  readonly at: Span;
  readonly text: Buffer;
}

/** @param edits Of parts that do not overlap. @returns The line itself where there are none. */
export function applyEdits(line: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return line;
  const parts: Buffer[] = [];
  let pos = 0;
  for (const { at, text } of [...edits].sort((a, b) => a.at.start - b.at.start)) {
    parts.push(line.subarray(pos, at.start), text);
    pos = at.end;
  }
  parts.push(line.subarray(pos));
  return Buffer.concat(parts);
}
