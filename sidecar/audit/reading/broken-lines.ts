import { type Fragment, fragmentOf } from "../file/tail.ts";
import { type Header, HEADER_BYTES, readHeader, RECORD_START } from "../record/seal.ts";

/** A line, or the part of one before a whole record, that is no record. */
export interface BrokenLine {
  readonly line: number;
  /** All of it. */
  readonly whole: Fragment;
  /** Cut where records begin: several writers may have been cut off on the same line. */
  readonly pieces: readonly Piece[];
  /** A write was cut off here: a whole record, or the end of the file, follows without a newline. */
  readonly cutOff: boolean;
}

export interface Piece {
  readonly fragment: Fragment;
  /** Undefined when not even the chain members are whole. */
  readonly header: Header | undefined;
  /** Whether it is too short for its chain members and begins as a record does. */
  readonly plausible: boolean;
}

/** Cuts a line where records begin. The first part may be no record's beginning. */
export function splitAtRecords(line: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = line.indexOf(RECORD_START, 1); at !== -1; at = line.indexOf(RECORD_START, at + 1)) {
    parts.push(line.subarray(from, at));
    from = at;
  }
  parts.push(line.subarray(from));
  return parts;
}

/** Describes what is broken, so that a `recovered` record anywhere in the file can account for it. */
export function brokenLine(line: number, parts: readonly Buffer[], cutOff: boolean): BrokenLine {
  return { line, whole: fragmentOf(Buffer.concat(parts)), pieces: parts.map(pieceOf), cutOff };
}

function pieceOf(bytes: Buffer): Piece {
  const begin = bytes.toString("latin1", 0, RECORD_START.length);
  const plausible = bytes.length < HEADER_BYTES && RECORD_START.startsWith(begin);
  return { fragment: fragmentOf(bytes), header: readHeader(bytes), plausible };
}

/** The fragments that a `recovered` record accounts for; none when it is not the record we write. */
export function explainedBy(record: Buffer): Fragment[] {
  let parsed: { detail?: { broken?: unknown } | null } | null;
  try {
    parsed = JSON.parse(record.toString("latin1"));
  } catch {
    // Sealed, but not by us. It accounts for nothing, so what is broken stays a finding.
    return [];
  }
  const broken = parsed?.detail?.broken;
  if (!Array.isArray(broken)) return [];
  return broken.filter((entry: Partial<Fragment> | null): entry is Fragment =>
    typeof entry?.bytes === "number" && typeof entry.sha256 === "string"
  );
}
