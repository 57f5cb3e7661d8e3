/** What may be asked of a guard at its control socket. The composition root does it. */
import type { SessionIdentity } from "../../audit/audit-log.ts";
import type { Metric } from "./metrics-text.ts";

export interface Controls {
  /** The guard and its sessions, as JSON can say it: no token, no secret, nothing that was said in a session. */
  overview(): GuardOverview;
  /**
   * Ends a session; its peer is told. Recorded first, with who asked.
   *
   * @returns false when no such session runs.
   * @throws {GuardError} `ERR_AUDIT_UNWRITABLE`: then it is not ended.
   */
  end(session: string, asker: SessionIdentity): boolean;
  /** Loads the policy's file once more. @throws {GuardError} `ERR_AUDIT_UNWRITABLE`: then it is not loaded. */
  reload(asker: SessionIdentity): Promise<ReloadAnswer>;
  metrics(): readonly Metric[];
  /** The public keys of tokens, as a JWK set (RFC 7517); undefined where none are issued. */
  keys(): object | undefined;
}

/** A guard that runs. */
export interface GuardOverview {
  /** The server's name. */
  readonly name: string;
  readonly pid: number;
  readonly version: string;
  /** ISO 8601. */
  readonly started: string;
  /** Undefined: everything passes and is recorded. */
  readonly policy?: PolicyOverview | undefined;
  /** Where it listens, as `--listen` has it; empty: on its own standard streams. */
  readonly listen: readonly string[];
  readonly audit: string;
  readonly sessions: readonly SessionOverview[];
}

/** The policy that counts now. */
export interface PolicyOverview {
  readonly name: string;
  readonly file: string;
  /** Of the file's exact bytes, lower-case hex. */
  readonly sha256: string;
  readonly mode: string;
}

/** A session that runs. */
export interface SessionOverview {
  /** As in the audit log. */
  readonly id: string;
  /** ISO 8601. */
  readonly started: string;
  readonly idle_s: number;
  readonly calls: number;
  /** Requests that wait for the server. */
  readonly pending: number;
  /** The entry of the policy's `clients` that it matched. */
  readonly client?: string | undefined;
  /** What the admission rests on. */
  readonly grade: string;
  /** The evidence, as in the audit log. */
  readonly who: object;
}

/** What counts now, or why what counted before goes on to count. */
export type ReloadAnswer =
  | { readonly policy: PolicyOverview; readonly same: boolean }
  | { readonly refused: string };
