/** What `audit verify` found out about one file. */
export interface AuditReport {
  readonly file: string;
  readonly records: number;
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

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  /** Counts from 1; absent for what is not in the file. */
  readonly line?: number;
  readonly chain?: string;
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

export interface ChainReport {
  readonly chain: string;
  readonly records: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
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
