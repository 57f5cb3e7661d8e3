/** The MCP server behind us, as the rest of mcp-guard sees it: one child process of our own. */
import type { FileEvidence } from "../model/evidence.ts";
import type { ByteStream } from "../platform/platform.ts";

export interface Upstream {
  readonly pid: number;
  /** Set for a part in a server that other sessions use too. */
  readonly shared?: boolean;
  /** What runs: measured before the spawn, and seen to be what runs after it. The digest may still be computing. */
  readonly measured: Promise<MeasuredCommand>;
  /** The child's stdin (write) and stdout (read). Two streams: they are two descriptors. */
  readonly input: ByteStream;
  readonly output: ByteStream;
  /** Bytes of input that the child has not read yet; undefined when the kernel cannot tell. */
  unreadInput(): number | undefined;
  /** Settles once the process is reaped; never rejects. */
  readonly exited: Promise<UpstreamExit>;
  /**
   * Ends the child and its group: close stdin, wait, SIGTERM, wait, SIGKILL. Calling it again while it runs climbs to
   * the next rung at once.
   */
  stop(cause: StopCause): Promise<UpstreamExit>;
}

/**
 * Who ended it; recorded once, the first cause wins.
 *
 * `server-closed`: it closed its input or output and lived on. `idle`, `max-age`, `max-calls`: the session came to that
 * limit of the policy's. `policy-changed`: the policy that was loaded meanwhile does not admit the peer. `peer-slow`: a
 * peer of a shared server left too much unread. `server-hangs`: a shared server did not even answer a ping.
 * `bootstrap-stolen`: the one-time secret that earned the session was shown once more.
 * `ended-by-owner`: somebody of the guard's own account asked for it at the control socket.
 */
export type StopCause =
  | "peer-gone"
  | "signal"
  | "respawn"
  | "refused"
  | "internal"
  | "server-closed"
  | "idle"
  | "max-age"
  | "max-calls"
  | "policy-changed"
  | "peer-slow"
  | "server-hangs"
  | "bootstrap-stolen"
  | "ended-by-owner";

export interface UpstreamExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Undefined: it ended by itself. */
  readonly cause: StopCause | undefined;
  /** Set where only this session's part in it ended: the process goes on. */
  readonly lives?: true;
}

export interface MeasuredCommand {
  /** Absolute path that the command resolved to. */
  readonly path: string;
  readonly executable: FileEvidence;
  /** The interpreter, where the command is a script that names one. */
  readonly interpreter: FileEvidence | undefined;
}
