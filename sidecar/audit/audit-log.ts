/**
 * The audit log as the gate uses it. One record per decision and per session event, written before the message goes
 * on; content-free: of arguments only a keyed digest.
 */
import type { PeerEvidence, Principal } from "../model/evidence.ts";

/** Names what a decision was about. `name` is a tool, prompt, resource or method name. */
export interface Subject {
  /** The session's id, as its `session-start` record has it. */
  readonly session: string;
  /** Who sent the message. */
  readonly direction: "fromPeer" | "fromUpstream";
  readonly method: string;
  readonly name?: string | undefined;
  /** The JSON-RPC id exactly as it was spelled: `7`, `"7"`. */
  readonly rpcId?: string | undefined;
}

export interface DecisionEvent extends Subject {
  readonly type: "decision";
  readonly effect: "allow" | "deny";
  /** A decision's reason, or the error code of what was refused before any rule was asked. */
  readonly reason: string;
  readonly rules: readonly string[];
  /** True when the policy is in observe mode: a `deny` was recorded and the message passed nevertheless. */
  readonly observed?: boolean | undefined;
  /** Digest of the exact argument bytes, from `digestArguments`. */
  readonly argsDigest?: string | undefined;
  /** Microseconds from the message's arrival to the decision. */
  readonly decisionUs: number;
  /** What the refusal that the peer saw carries, to be found again here. */
  readonly refusal?: string | undefined;
}

export interface ResultEvent extends Subject {
  readonly type: "result";
  readonly outcome: "ok" | "tool-error" | "error" | "cancelled" | "upstream-gone" | "session-over";
  readonly durationMs: number;
  readonly bytes: number;
}

/** Something that happened to a session or to the guard; `detail` holds short facts, never message content. */
export interface LifecycleEvent {
  readonly type:
    | "session-start"
    | "session-end"
    | "peer-refused"
    | "upstream-start"
    | "upstream-measured"
    | "upstream-exit"
    /** A session let go of a server that goes on for others. */
    | "upstream-left"
    | "upstream-respawn"
    | "upstream-noise"
    | "list-filtered"
    | "evidence"
    | "policy-loaded"
    /** Somebody of the guard's own account, who is the record's `who`, had the guard do something. */
    | "control"
    | "notice";
  readonly session?: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export type AuditEvent = DecisionEvent | ResultEvent | LifecycleEvent;

/** Who the following records of a session speak of. */
export interface SessionIdentity {
  readonly principal: Principal;
  readonly evidence: PeerEvidence;
}

export interface AuditLog {
  /** This guard instance's own chain. */
  readonly chain: string;
  /** False only where the policy says `audit.on_failure: continue`. */
  readonly mandatory: boolean;
  /** Sets (or, once digests are known, completes) who a session's records name. */
  identify(session: string, identity: SessionIdentity): void;
  /** The policy that the records of the guard and of later sessions name from here on, by its sha256. */
  adoptPolicy(digest: string): void;
  /** Forgets a session after its `session-end` record. */
  forget(session: string): void;
  /** Queues one record. Nothing is written before `flush`. */
  append(event: AuditEvent): void;
  /**
   * Hands everything queued to the kernel in one append.
   * @throws {GuardError} `ERR_AUDIT_UNWRITABLE`; what was queued is dropped and counted in the next record.
   */
  flush(): void;
  /** A new id that a refusal carries: short, unique, and says nothing. */
  refusalId(): string;
  /** Digest of exact argument bytes under this chain's key: short values cannot be guessed from it. */
  digestArguments(bytes: Uint8Array): string;
  /** Writes the stop record and anchors the head. */
  close(reason: string): void;
}
