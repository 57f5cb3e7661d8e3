/**
 * What the facts that an entry needs are worth together, or why they are not what it asks for.
 *
 * Reasons are read in the audit log and by whoever runs `doctor`; they never hold a path or a digest of the peer's.
 */
import { type Absent, type Fact, type Grade, isKnown, lower, reaches } from "../fact.ts";

/** A grade, and what brought it down to that. */
export interface Worth {
  readonly grade: Grade;
  readonly lowered?: string;
}

/** Why something does not match, completing "client 'x': …". */
export interface Mismatch {
  readonly mismatch: string;
}

export type Finding = Worth | Mismatch;

/** Where every account starts from: nothing was needed yet. */
export const NOTHING_NEEDED: Worth = { grade: "kernel" };

export function mismatch(because: string): Mismatch {
  return { mismatch: because };
}

/** Whether it does not match. */
export function differs(finding: Finding): finding is Mismatch {
  return "mismatch" in finding;
}

/** At most this grade, whatever the facts came with. */
export function cap(worth: Worth, most: Grade, because: string): Worth {
  return reaches(most, worth.grade) ? worth : { grade: most, lowered: because };
}

/** Both are needed: the worse one counts, and the first thing that does not match. */
export function together(a: Finding, b: Finding): Finding {
  if (differs(a)) return a;
  if (differs(b)) return b;
  return lower(a.grade, b.grade) === a.grade ? a : b;
}

/** Holds what was found to the entry's floor. */
export function atLeast(finding: Finding, floor: Grade, what: string): Finding {
  if (differs(finding) || reaches(finding.grade, floor)) return finding;
  const reason = finding.lowered === undefined ? "" : ` (${finding.lowered})`;
  return mismatch(`${what} counts as ${finding.grade}${reason}, and the entry asks for ${floor}`);
}

/** A fact that is needed: it must be known and pass the test. */
export function need<T>(fact: Fact<T>, what: string, test: (value: T) => boolean): Finding {
  if (!isKnown(fact)) return mismatch(`${what} could not be had${codeOf(fact)}`);
  return test(fact.value) ? { grade: fact.grade } : mismatch(`${what} is another`);
}

/** Codes are short words of ours; anything else might hold what must not be told. */
function codeOf({ absent }: Absent): string {
  return /^[a-z][A-Za-z0-9:-]{0,47}$/.test(absent) ? ` (${absent})` : "";
}
