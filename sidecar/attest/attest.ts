/** Turns a peer into evidence. Judging it is the policy's and the gate's part. */
import type { PeerEvidence } from "../model/evidence.ts";

export interface Attestation {
  /** What is known at once: credentials, pids, paths. Digests are absent (`pending`) until `complete` settles. */
  readonly immediate: PeerEvidence;
  /** The same with every digest computed or absent with its reason. Never rejects. */
  readonly complete: Promise<PeerEvidence>;
  /** Whether the process that was measured is still there and still runs the image that was measured. */
  stillSame(): boolean;
  close(): void;
}
