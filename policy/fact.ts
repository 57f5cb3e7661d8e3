/**
 * Facts with how far each can be relied upon: what attestation yields and a policy judges.
 *
 * Absent is never a default: whatever needs the fact does not match, and whatever forbids it does.
 */

/**
 * How far a fact can be relied upon, best first.
 *
 * - `kernel`: set and pinned by the kernel; the peer cannot choose it
 * - `immutable`: measured, and the file and every folder above it are root's and writable by nobody else
 * - `measured`: read from a live process, bracketed by its pidfd, which is proven to be the one that speaks
 * - `lineage`: measured of an ancestor, true now; or of the peer without proof that it is the one that speaks
 * - `heuristic`: readable, but the peer itself can write it
 * - `claimed`: the peer says so
 */
export const GRADES = ["kernel", "immutable", "measured", "lineage", "heuristic", "claimed"] as const;
/** One of {@linkcode GRADES}. */
export type Grade = (typeof GRADES)[number];

/** A fact with how far it can be relied upon. */
export interface Known<T> {
  readonly value: T;
  readonly grade: Grade;
}

/** A fact that could not be had; `absent` is a short code such as `exe-unreadable:EACCES`. */
export interface Absent {
  readonly absent: string;
}

/** A measured value or the reason why there is none: whoever reads it must look at both. */
export type Fact<T> = Known<T> | Absent;

/** Makes a fact; the grade has no default, so that nobody forgets to think of it. */
export function known<T>(value: T, grade: Grade): Known<T> {
  return { value, grade };
}

/** Makes the fact that could not be had, from a short code. */
export function absent(reason: string): Absent {
  return { absent: reason };
}

/** Whether there is a value. How far it may be relied upon is still its grade's to say. */
export function isKnown<T>(fact: Fact<T>): fact is Known<T> {
  return "value" in fact;
}

/** The worse of two grades: what a statement that rests on both is worth. */
export function lower(a: Grade, b: Grade): Grade {
  return rank(a) >= rank(b) ? a : b;
}

/** Whether a grade is at least as good as a floor. */
export function reaches(grade: Grade, floor: Grade): boolean {
  return rank(grade) <= rank(floor);
}

/** What is no grade at all is worse than any: it must not get past a floor by being unknown. */
function rank(grade: Grade): number {
  const index = GRADES.indexOf(grade);
  return index === -1 ? GRADES.length : index;
}
