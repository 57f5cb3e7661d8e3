/** Turns a peer into evidence. Judging it is the policy's and the gate's part. */
import type { WantedFact } from "../../policy/clients.ts";
import type { GuardErrorCode } from "../model/errors.ts";
import type { PeerEvidence } from "../model/evidence.ts";

/** A peer's evidence, while its process is held: what was measured can be asked for again. */
export interface Attestation {
  /** What is known at once: credentials, pid, path. The rest is absent (`pending`), and the lineage is not walked. */
  readonly immediate: PeerEvidence;
  /** The same with what is asked for measured, or absent with its reason; what nobody asked for is not. Never rejects. */
  gather(wants: ReadonlySet<WantedFact>): Promise<PeerEvidence>;
  /** All there is to know, for the audit. Begun when first asked for. Never rejects. */
  readonly complete: Promise<PeerEvidence>;
  /**
   * Measures the process once more, after `gather`: steps 4 to 7.
   *
   * @returns Why it is not what was measured: it ended, is traced, changed its uid or its image. Undefined: all is equal.
   */
  remeasure(): string | undefined;
  /** Whether the peer's process lives. True where none is known to be the peer's: a terminal's parent may go. */
  isAlive(): boolean;
  /** Whether it lives, and still runs the image that was measured. */
  stillSame(): boolean;
  /** Lets go of the process and its ancestors; digests that are not there by then stay absent. */
  close(): void;
}

/** Why a peer is not even measured. A value: whoever accepts connections goes on with the next. */
export interface PeerRefusal {
  readonly code: GuardErrorCode;
  /** A short code for the audit log, such as `peercred:no-pid`. */
  readonly refused: string;
  /** What was known by then. */
  readonly evidence: PeerEvidence;
}
