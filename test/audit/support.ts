/** What the tests of the audit log share: a log in a folder, events, an identity, and a disk with faults. */
import type { DecisionEvent, SessionIdentity } from "../../sidecar/audit/audit-log.ts";
import { type AppendFile, openAppendFile } from "../../sidecar/audit/file/append-file.ts";
import { type AuditLogOptions, openAuditLog } from "../../sidecar/audit/open-audit-log.ts";
import { absent, known, type ProcessEvidence } from "../../sidecar/model/evidence.ts";

export function logOptions(file: string, more: Partial<AuditLogOptions> = {}): AuditLogOptions {
  return {
    file,
    durability: "buffered",
    mandatory: true,
    serverName: "files",
    policyName: "files",
    policyDigest: "ab".repeat(32),
    version: "0.0.0-test",
    ...more,
  };
}

export function openLog(file: string, more: Partial<AuditLogOptions> = {}) {
  return openAuditLog(logOptions(file, more)).log;
}

export function decision(more: Partial<DecisionEvent> = {}): DecisionEvent {
  return {
    type: "decision",
    session: "s1",
    direction: "fromPeer",
    method: "tools/call",
    name: "read_text_file",
    rpcId: "7",
    effect: "allow",
    reason: "rule",
    rules: ["read-in-project"],
    decisionUs: 12.4,
    ...more,
  };
}

const notGathered = absent("not-gathered");

function evidenceOf(pid: number): ProcessEvidence {
  return {
    groups: notGathered,
    label: notGathered,
    namespaces: { pid: notGathered, mnt: notGathered },
    script: { path: notGathered, sha256: notGathered },
    argv: notGathered,
    loaders: notGathered,
    mappings: notGathered,
    pid,
    pidfdInode: known("4242", "kernel"),
    uid: known(1000, "kernel"),
    gid: known(1000, "kernel"),
    executable: {
      path: known("/usr/bin/agent", "immutable"),
      sha256: known("5e".repeat(32), "immutable"),
      immutable: known(true, "immutable"),
      runtime: known("native", "immutable"),
    },
  };
}

export const identity: SessionIdentity = {
  principal: { name: "claude-code", id: "spiffe://localhost/uid-1000/claude-code" },
  evidence: {
    transport: "stdio-socket",
    credentials: known({ pid: 100, uid: 1000, gid: 1000 }, "kernel"),
    process: evidenceOf(100),
    lineage: {
      ancestors: [evidenceOf(99), {
        ...evidenceOf(98),
        executable: {
          path: known("/usr/bin/sh", "lineage"),
          sha256: absent("exe-unreadable:EACCES"),
          immutable: absent("exe-unreadable:EACCES"),
          runtime: absent("exe-unreadable:EACCES"),
        },
      }],
      end: "other-uid",
    },
    selectors: [],
  },
};

/** Writes `count` decisions, one flush each. */
export function writeDecisions(log: ReturnType<typeof openLog>, count: number): void {
  for (let i = 0; i < count; i++) {
    log.append(decision({ rpcId: String(i) }));
    log.flush();
  }
}

/**
 * A real file whose next writes are cut short or refused, as a disk does that is full.
 * `room` is how many bytes it still takes; undefined takes all.
 */
export class ShortDisk {
  room: number | undefined;
  /** False does as Deno: a write that is cut short throws, and does not say how much it wrote. */
  tells = true;
  syncError: Error | undefined;

  readonly open = (path: string): AppendFile => {
    const file = openAppendFile(path);
    return {
      ...file,
      append: (bytes) => {
        if (this.room === undefined) return file.append(bytes);
        if (this.room === 0) throw full();
        const taken = file.append(bytes.subarray(0, this.room));
        this.room -= taken;
        if (!this.tells && taken < bytes.length) throw full();
        return taken;
      },
      syncLater: (done) =>
        this.syncError === undefined ? file.syncLater(done) : queueMicrotask(() => done(this.syncError!)),
    };
  };
}

function full(): Error {
  return Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
}
