/** What `audit verify` found out about one file. */
export interface AuditReport {
  /** The path as it was given. */
  readonly file: string;
  /** How many lines are records, sound or not. */
  readonly records: number;
  /** One for each guard instance that wrote to the file. */
  readonly chains: readonly ChainReport[];
  /** True when any finding says that the log is not what was written. */
  readonly altered: boolean;
  /** The first findings, in the order they were made. */
  readonly findings: readonly Finding[];
  /** All of them, those not listed included. */
  readonly findingCount: number;
  /** What is worth knowing and no sign of tampering: crashes, empty lines, heads of other files. */
  readonly notes: readonly string[];
}

/**
 * What is wrong at one place.
 *
 * - `edited`: the line's bytes do not have the hash it carries
 * - `unlinked`: it is whole, but does not follow the record before it: one of the two was rewritten
 * - `missing`: records of a chain are not there
 * - `moved`, `repeated`: a record stands in the wrong place, or twice
 * - `after-stop`: a chain goes on behind its last record
 * - `foreign`: a line that is no record, and that no `recovered` record speaks of
 * - `cut`: the anchor knows a later record than the file holds
 * - `gone`: the anchor knows a chain of this file that is not in it
 * - `anchor-mismatch`: the anchor knows another record under this number
 * - `beginning-gone`: the anchor says that the file began with another line
 */
export type FindingKind =
  | "edited"
  | "unlinked"
  | "missing"
  | "moved"
  | "repeated"
  | "after-stop"
  | "foreign"
  | "cut"
  | "gone"
  | "anchor-mismatch"
  | "beginning-gone";

/** One sign that the log is not what its guards wrote. */
export interface Finding {
  /** For programs. */
  readonly kind: FindingKind;
  /** The same in words. */
  readonly message: string;
  /** Counts from 1; absent for what is not in the file. */
  readonly line?: number;
  /** The chain that it is about; absent for a line that is of none. */
  readonly chain?: string;
  /** The record's number in its chain. */
  readonly seq?: number;
}

/**
 * How far a chain's end is proven.
 *
 * - `stopped`: it ends with its stop record
 * - `rotated`: it goes on in the next file
 * - `anchored`: the anchor knows its last record
 * - `unproven`: records after the last one may have been cut off (also: the guard runs, or was killed)
 * - `cut`: records were cut off
 */
export type ChainEnd = "stopped" | "rotated" | "anchored" | "unproven" | "cut";

/** What the file holds of one chain: the records of one guard instance. */
export interface ChainReport {
  /** The chain's name, new for each guard instance. */
  readonly chain: string;
  /** How many of its records are in this file. */
  readonly records: number;
  /** The number of its first record here: above 0 where it began in an earlier file, or its beginning is missing. */
  readonly firstSeq: number;
  /** The highest number of a record here. */
  readonly lastSeq: number;
  /** Whether anything may be missing behind that one. */
  readonly end: ChainEnd;
  /** The last record of this file that the anchor knows. */
  readonly anchoredSeq: number | undefined;
  /** Records that could not be written when they were made, as the chain itself says. */
  readonly dropped: number;
}

const LISTED = 200;

/** Collects findings; lists the first ones and counts the rest. */
export class Findings {
  readonly list: Finding[] = [];
  count = 0;

  add(kind: FindingKind, message: string, where: Omit<Finding, "kind" | "message"> = {}): void {
    this.count++;
    if (this.list.length < LISTED) this.list.push({ kind, message, ...where });
  }
}
