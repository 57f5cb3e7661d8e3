import type { Attestation } from "../../sidecar/attest/attest.ts";
import { absent, known, type PeerEvidence, type ProcessEvidence } from "../../sidecar/model/evidence.ts";

export const PEER = { pid: 4321, uid: 1000, gid: 1000 } as const;
const DIGEST = "ab".repeat(32);
const no = absent("not-gathered");

export const PROCESS: ProcessEvidence = {
  pid: PEER.pid,
  pidfdInode: known("77", "kernel"),
  uid: known(PEER.uid, "kernel"),
  gid: known(PEER.gid, "kernel"),
  groups: no,
  label: no,
  namespaces: { pid: no, mnt: no },
  executable: {
    path: known("/opt/agent", "measured"),
    sha256: known(DIGEST, "measured"),
    immutable: absent("exe-writable"),
    runtime: known("native", "measured"),
  },
  script: { path: no, sha256: no },
  argv: no,
  loaders: known([], "heuristic"),
  mappings: known([], "heuristic"),
};

export const EVIDENCE: PeerEvidence = {
  transport: "unix",
  credentials: known(PEER, "kernel"),
  process: PROCESS,
  lineage: { ancestors: [], end: "init" },
  selectors: [],
};

/** A measured peer without a process: a test says what becomes of it. */
export class FakeAttestation implements Attestation {
  readonly immediate: PeerEvidence;
  alive = true;
  same = true;
  closed = false;
  changed: string | undefined;
  gathered = 0;

  constructor(evidence: PeerEvidence = EVIDENCE) {
    this.immediate = evidence;
  }

  gather(): Promise<PeerEvidence> {
    this.gathered++;
    return Promise.resolve(this.immediate);
  }

  get complete(): Promise<PeerEvidence> {
    return Promise.resolve(this.immediate);
  }

  remeasure(): string | undefined {
    return this.changed;
  }

  isAlive(): boolean {
    return this.alive;
  }

  stillSame(): boolean {
    return this.alive && this.same;
  }

  close(): void {
    this.closed = true;
  }
}
