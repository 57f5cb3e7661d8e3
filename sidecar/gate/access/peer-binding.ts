/** A peer's process as tokens name it, and as guesses of the one-time secret are counted by. */
import type { SessionIdentity } from "../../audit/audit-log.ts";
import { isKnown, type PeerEvidence } from "../../model/evidence.ts";
import type { PeerBinding } from "../../tokens/claims.ts";

/** What a token of this peer is bound to. */
export function bindingOf({ process }: PeerEvidence): PeerBinding {
  if ("absent" in process) return { pidfdInode: undefined, executableSha256: undefined };
  const { pidfdInode, executable: { sha256 } } = process;
  return {
    pidfdInode: isKnown(pidfdInode) ? pidfdInode.value : undefined,
    executableSha256: isKnown(sha256) ? sha256.value : undefined,
  };
}

/** One name for all sessions of one process, so that connecting again gives no further guesses. */
export function processName({ evidence: { process, credentials } }: SessionIdentity, sid: string): string {
  if (!("absent" in process)) {
    return isKnown(process.pidfdInode) ? `inode ${process.pidfdInode.value}` : `pid ${process.pid}`;
  }
  return isKnown(credentials) ? `pid ${credentials.value.pid}` : `session ${sid}`;
}
