import type { Buffer } from "node:buffer";

/** One line of the peer's, as a range of a buffer. */
export interface PeerLine {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** It was sent before the peer was measured, perhaps by what the peer's process was before: it may have no effect. */
  readonly stale: boolean;
}
