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

/** A process as the kernel pinned it: these do not change with what it does later. */
export interface Credentials {
  /** As our pid namespace counts. The number alone may have been given to another process since. */
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

/** What was measured about one process, the peer or an ancestor of it. */
export interface ProcessEvidence {
  /** For people and the audit log. Numbers are given out again; see `pidfdInode`. */
  readonly pid: number;
  /** Inode of its pidfd: unique for this boot, the one name of a process that is never given to another. */
  readonly pidfdInode: Fact<string>;
  /** Absent also while its real, effective, saved and file system uids differ, unless the kernel pinned one. */
  readonly uid: Fact<number>;
  /** Its effective group, or the one that the kernel pinned. */
  readonly gid: Fact<number>;
  /** What it runs. */
  readonly executable: ExecutableEvidence;
}

/** Why the walk towards pid 1 stopped where it did. */
export type LineageEnd = "init" | "other-uid" | "depth" | "budget" | "broken" | "unreadable";

/** The chain of ancestors, each held while the next was looked up, so that no reused number gets in. */
export interface Lineage {
  /** Nearest first: `[0]` is the parent. */
  readonly ancestors: readonly ProcessEvidence[];
  /** Only `init` and `other-uid` mean that every ancestor which counts was seen. */
  readonly end: LineageEnd;
}

/** What a peer's bytes come through, which settles what the kernel can say of who sent them. */
export type Transport = "stdio-socket" | "stdio-pipe" | "stdio-tty" | "stdio-file" | "unix" | "tcp";

/** All that is known of who is at the other end. */
export interface PeerEvidence {
  /** Ours to tell, not the peer's. */
  readonly transport: Transport;
  /** As the kernel pinned them at connect, socketpair or listen. */
  readonly credentials: Fact<Credentials>;
  /** Absent when nobody could be measured, or the kernel's word and what was found do not agree. */
  readonly process: ProcessEvidence | Absent;
  /** The ancestors of that process; empty when it is absent. */
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
