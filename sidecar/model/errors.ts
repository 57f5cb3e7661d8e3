/**
 * Every way mcp-guard can fail or refuse, as one closed list of codes.
 *
 * A code is a promise to scripts and tests: it is never renamed, and a new one does not compile until the
 * tables in `gate/refusal.ts` say what a peer is told about it.
 */
export const ERROR_CODES = [
  /** The arguments or environment we were started with are not usable. */
  "ERR_CONFIG_INVALID",
  /** The policy has errors; each is listed with file, line and column. */
  "ERR_POLICY_INVALID",
  /** The policy file, or a folder above it, can be written by somebody else. */
  "ERR_POLICY_UNSAFE",
  /** The policy's `expires` has passed. */
  "ERR_POLICY_EXPIRED",
  /** This operating system lacks a call without which we would have to guess. */
  "ERR_PLATFORM_UNSUPPORTED",
  /** The kernel does not name the process at the other end. */
  "ERR_PEER_UNIDENTIFIED",
  /** The peer exited, or is no longer the process that was measured. */
  "ERR_PEER_GONE",
  /** The peer is known, and not admitted. */
  "ERR_PEER_REFUSED",
  /** It was sent before the peer was measured, so it may be somebody else's: to be sent again. */
  "ERR_PEER_UNPROVEN",
  /** Bytes came from another process than the one that was admitted. */
  "ERR_SENDER_OTHER",
  /** A fact about a process could not be measured. */
  "ERR_ATTESTATION_FAILED",
  /** A socket, its folder or its path can be changed by somebody else. */
  "ERR_SOCKET_UNSAFE",
  /** A line is not one unambiguous JSON-RPC message. */
  "ERR_FRAME_MALFORMED",
  /** A line is longer than the limit. */
  "ERR_FRAME_TOO_LARGE",
  /** The method is not one that this direction and era of MCP define. */
  "ERR_METHOD_UNKNOWN",
  /** The policy does not allow it. */
  "ERR_DENIED",
  /** What was shown as a token is none of this guard's for this server, or was altered. */
  "ERR_TOKEN_INVALID",
  /** The token's time, its session or its policy is over. */
  "ERR_TOKEN_EXPIRED",
  /** The token was made for another process or another session than the one that shows it. */
  "ERR_TOKEN_FOREIGN",
  /** The one-time secret that the client's entry asks for was not shown, or is not the right one. */
  "ERR_BOOTSTRAP_REQUIRED",
  /** Too many requests are waiting for an answer. */
  "ERR_TOO_MANY_PENDING",
  /** The session has come to a limit of the policy's `session`. */
  "ERR_SESSION_OVER",
  /** The server's process could not be started, or is not the one the policy names. */
  "ERR_UPSTREAM_LAUNCH",
  /** The server's process ended, or closed its output, with calls pending. */
  "ERR_UPSTREAM_EXITED",
  /** The server's answer may not go to the peer (malformed, too large, or of no known kind). */
  "ERR_UPSTREAM_MALFORMED",
  /** The audit log cannot be written, so nothing is allowed. */
  "ERR_AUDIT_UNWRITABLE",
  /** The audit log was altered, or cannot be read as one. */
  "ERR_AUDIT_INVALID",
  /** A defect of ours; whatever was being judged is refused. */
  "ERR_INTERNAL",
] as const;

/** One of {@linkcode ERROR_CODES}: tables over it are exhaustive, so a new code must say what becomes of it. */
export type GuardErrorCode = (typeof ERROR_CODES)[number];

/** What a {@linkcode GuardError} carries beside its code and message. */
export interface GuardErrorOptions {
  /** What a peer may be told. No path, digest or rule text. @default {the code's own sentence} */
  readonly publicMessage?: string;
  /** What was thrown first. It stays inside: it is never told to a peer. */
  readonly cause?: unknown;
}

/**
 * The one error family of mcp-guard.
 *
 * `message` is for the log and the person at the terminal: values quoted, the action named. `publicMessage` is the
 * only part that may cross the wire.
 */
export class GuardError extends Error {
  /** As every `Error` has it; it tells subclasses apart in a stack trace. */
  override readonly name: string = "GuardError";
  /** What happened, for programs. */
  readonly code: GuardErrorCode;
  /** What a peer may be told. */
  readonly publicMessage: string;

  /**
   * Nothing is logged or told by making one.
   *
   * @param message For the log: sentence case, values quoted, no period.
   */
  constructor(code: GuardErrorCode, message: string, options: GuardErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.publicMessage = options.publicMessage ?? "Request refused";
  }
}

/** What went wrong, whatever was thrown: some libraries throw things that are not errors. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
