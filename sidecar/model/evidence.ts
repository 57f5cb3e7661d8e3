/**
 * What was measured about a process. Facts only: whether they are enough is decided by the policy, not here.
 *
 * Every fact carries the grade of how it was learned, and a fact that could not be had is absent with its reason.
 * Absent is never a default: whatever needs the fact does not match.
 */
import type { ExecutableFacts, ProcessFacts } from "../../policy/clients.ts";
import type { Absent, Fact } from "../../policy/fact.ts";

export type { RuntimeKind, WantedFact } from "../../policy/clients.ts";
export { type Absent, absent, type Fact, type Grade, isKnown, type Known, known } from "../../policy/fact.ts";

/** A process as the kernel pinned it: these do not change with what it does later. */
export interface Credentials {
  /** As our pid namespace counts. The number alone may have been given to another process since. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The image a process runs: which file, what is in it, and what kind of program that is. */
export type ExecutableEvidence = ExecutableFacts;

/** A program's file: which one, and what is in it. */
export type FileEvidence = Pick<ExecutableFacts, "path" | "sha256">;

/** What was measured about one process, the peer or an ancestor of it. */
export interface ProcessEvidence extends ProcessFacts {
  /** For people and the audit log. Numbers are given out again; see `pidfdInode`. */
  readonly pid: number;
  /** Inode of its pidfd: unique for this boot, the one name of a process that is never given to another. */
  readonly pidfdInode: Fact<string>;
  /** Absent also while its real, effective, saved and file system uids differ, unless the kernel pinned one. */
  readonly uid: Fact<number>;
  /** Its effective group, or the one that the kernel pinned. */
  readonly gid: Fact<number>;
  /** Security label of the kernel's LSM (SELinux, AppArmor), where there is one. */
  readonly label: Fact<string>;
  /** Whether it lives in our own pid and mount namespaces. */
  readonly namespaces: {
    readonly pid: Fact<"same" | "other">;
    readonly mnt: Fact<"same" | "other">;
  };
}

/** Why the walk towards pid 1 stopped where it did; `pending`: nobody has walked yet. */
export type LineageEnd = "init" | "other-uid" | "depth" | "budget" | "broken" | "unreadable" | "pending";

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
