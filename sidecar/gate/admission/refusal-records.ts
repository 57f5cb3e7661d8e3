import type { AuditEvent, AuditLog } from "../../audit/audit-log.ts";
import { evidenceDetail } from "../../audit/record/evidence-detail.ts";
import { isKnown, type PeerEvidence } from "../../model/evidence.ts";
import { monotonicMs } from "../../platform/monotonic.ts";
import { newSessionId } from "../session-id.ts";
import type { RefusedPeer } from "./admit.ts";

/** Records that refusals of one account get in a second; the rest is counted in the next one. */
const A_SECOND = 10;
/** Accounts that are remembered: a uid costs a stranger nothing inside a user namespace that maps many. */
const MAX_ACCOUNTS = 256;

interface Account {
  since: number;
  written: number;
  /** Refusals since the last record. */
  unwritten: number;
}

/**
 * Writes who was refused, and why, into the audit log: at once, since nothing else may follow for hours. A flood of
 * refusals does not become a flood of records.
 */
export class RefusalRecords {
  readonly #audit: AuditLog;
  readonly #accounts = new Map<number | undefined, Account>();

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** @returns The id that the peer is told, to be found again in the log; undefined when it was only counted. */
  record({ code, reasons, identity }: RefusedPeer): string | undefined {
    const account = this.#account(uidOf(identity.evidence));
    if (account.written >= A_SECOND) {
      account.unwritten++;
      return undefined;
    }
    account.written++;
    const session = newSessionId();
    const refusal = this.#audit.refusalId();
    this.#audit.identify(session, identity);
    this.#write({
      type: "peer-refused",
      session,
      detail: {
        code,
        reasons,
        refusal,
        evidence: evidenceDetail(identity.evidence),
        ...(account.unwritten > 0 ? { unrecorded: account.unwritten } : {}),
      },
    });
    account.unwritten = 0;
    this.#audit.forget(session);
    return refusal;
  }

  #write(event: AuditEvent): void {
    try {
      this.#audit.append(event);
      this.#audit.flush();
    } catch {
      // Nobody is let in by this: the log tells of its own failure when it can, and calls are refused meanwhile. It is
      // closed when the guard is being stopped.
    }
  }

  #account(uid: number | undefined): Account {
    const now = monotonicMs();
    let account = this.#accounts.get(uid);
    if (account === undefined) {
      if (this.#accounts.size >= MAX_ACCOUNTS) this.#accounts.delete(this.#accounts.keys().next().value);
      this.#accounts.set(uid, account = { since: now, written: 0, unwritten: 0 });
    }
    if (now - account.since >= 1000) {
      account.since = now;
      account.written = 0;
    }
    return account;
  }
}

function uidOf({ credentials, process }: PeerEvidence): number | undefined {
  if (isKnown(credentials)) return credentials.value.uid;
  return "absent" in process || !isKnown(process.uid) ? undefined : process.uid.value;
}
