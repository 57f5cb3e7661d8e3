/**
 * What was measured about a process. Facts only: whether they are enough is decided by the policy, not here.
 *
 * Every fact carries the grade of how it was learned, and a fact that could not be had is absent with its reason.
 * Absent is never a default: whatever needs the fact does not match.
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
export type Grade = (typeof GRADES)[number];

export interface Known<T> {
  readonly value: T;
  readonly grade: Grade;
}

/** A fact that could not be had; `absent` is a short code such as `exe-unreadable:EACCES`. */
export interface Absent {
  readonly absent: string;
}

export type Fact<T> = Known<T> | Absent;

export function known<T>(value: T, grade: Grade): Known<T> {
  return { value, grade };
}

export function absent(reason: string): Absent {
  return { absent: reason };
}

export function isKnown<T>(fact: Fact<T>): fact is Known<T> {
  return "value" in fact;
}

export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The image a process runs: which file, and what is in it. */
export interface ExecutableEvidence {
  /** Where the kernel says the image was loaded from; absent when deleted, a memfd, or seen from another root. */
  readonly path: Fact<string>;
  /** Lower-case hex sha256 of the bytes of the running image's inode. */
  readonly sha256: Fact<string>;
}

export interface ProcessEvidence {
  readonly pid: number;
  /** Inode of its pidfd: unique for this boot, the one name of a process that is never given to another. */
  readonly pidfdInode: Fact<string>;
  readonly uid: Fact<number>;
  readonly gid: Fact<number>;
  readonly executable: ExecutableEvidence;
}

/** Why the walk towards pid 1 stopped where it did. */
export type LineageEnd = "init" | "other-uid" | "depth" | "budget" | "broken" | "unreadable";

export interface Lineage {
  /** Nearest first: `[0]` is the parent. */
  readonly ancestors: readonly ProcessEvidence[];
  readonly end: LineageEnd;
}

export type Transport = "stdio-socket" | "stdio-pipe" | "stdio-tty" | "stdio-file" | "unix" | "tcp";

/** All that is known of who is at the other end. */
export interface PeerEvidence {
  readonly transport: Transport;
  /** As the kernel pinned them at connect, socketpair or listen. */
  readonly credentials: Fact<Credentials>;
  readonly process: ProcessEvidence | Absent;
  readonly lineage: Lineage;
  /** `type:key:value`, spelled as SPIRE's unix attestor spells them where it has the same one. */
  readonly selectors: readonly string[];
}

/** The outcome of admission: who rules and the audit log speak of. */
export interface Principal {
  /** The policy's client name, or `exe-<first 16 hex of sha256>`, or `uid-<n>` when nothing was measured. */
  readonly name: string;
  /** `spiffe://<trust domain>/uid-<uid>/<name>` */
  readonly id: string;
}
