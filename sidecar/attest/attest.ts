/** Turns a peer into evidence. Judging it is the policy's and the gate's part. */
import type { PeerEvidence } from "../model/evidence.ts";

/** A peer's evidence, while its process is held: what was measured can be asked for again. */
export interface Attestation {
  /** What is known at once: credentials, pids, paths. Digests are absent (`pending`) until `complete` settles. */
  readonly immediate: PeerEvidence;
  /** The same with every digest computed or absent with its reason. Never rejects. */
  readonly complete: Promise<PeerEvidence>;
  /** Whether the process that was measured is still there and still runs the image that was measured. */
  stillSame(): boolean;
  /** Lets go of the process and its ancestors; digests that are not there by then stay absent. */
  close(): void;
}
