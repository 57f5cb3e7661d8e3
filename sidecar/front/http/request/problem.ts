/** What an HTTP request is refused with: a status, and a body that any JSON-RPC client can read. */
import type { ServerResponse } from "node:http";
import { Buffer } from "node:buffer";
import type { GuardErrorCode } from "../../../model/errors.ts";

/** A request that is not served, as a value. Never a path or a rule in it. */
export interface Problem {
  readonly status: number;
  /** JSON-RPC error code. */
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
  /** The request's id as JSON text, where it could be read. @default {"null"} */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A short code for the audit log. Without one it is a client's mistake, and not recorded. */
  readonly audit?: string;
  /** What it is recorded as. @default {"ERR_PEER_REFUSED"} */
  readonly refusal?: GuardErrorCode;
}

export const INVALID_REQUEST = -32600;
export const PARSE_ERROR = -32700;
export const INVALID_PARAMS = -32602;
/** What clients of the legacy era know a forgotten session by, beside the status. */
const SESSION_NOT_FOUND = -32001;
/** MCP 2026-07-28: header and body disagree, or a required header is missing. */
const HEADER_MISMATCH = -32020;
/** MCP 2026-07-28. */
const UNSUPPORTED_VERSION = -32022;
/** Ours, as `gate/refusal.ts` numbers them. */
const LIMIT = 1003;
const PEER_REFUSED = 1004;
const REALM = 'Bearer realm="mcp-guard"';

export function badRequest(message: string, more: Partial<Problem> = {}): Problem {
  return { status: 400, code: INVALID_REQUEST, message, ...more };
}

export function headerMismatch(message: string, id: string): Problem {
  return { status: 400, code: HEADER_MISMATCH, message, id };
}

export function unsupportedVersion(supported: readonly string[], requested: string, id: string): Problem {
  const data = { supported, requested };
  return { status: 400, code: UNSUPPORTED_VERSION, message: "Unsupported protocol version", data, id };
}

export function forbidden(message: string, audit: string): Problem {
  return { status: 403, code: PEER_REFUSED, message, audit };
}

export function unauthorized(audit: string): Problem {
  const headers = { "www-authenticate": REALM };
  return { status: 401, code: PEER_REFUSED, message: "A token is required", headers, audit };
}

/** A token that was shown and does not count (RFC 6750, 3.1). Which of its reasons it is, the log says. */
export function invalidToken(refusal: GuardErrorCode, flaw: string): Problem {
  const headers = { "www-authenticate": `${REALM}, error="invalid_token"` };
  const message = "The token does not count here";
  return { status: 401, code: PEER_REFUSED, message, headers, audit: `http:token, ${flaw}`, refusal };
}

/** A thief is told what a guesser is told. */
export function secretRefused(why: "missing" | "wrong" | "limited" | "stolen"): Problem {
  const recorded = { code: PEER_REFUSED, audit: why, refusal: "ERR_BOOTSTRAP_REQUIRED" } as const;
  if (why === "limited") return { ...tooMany("Too many wrong guesses; try again later"), ...recorded };
  const message = why === "missing"
    ? "The one-time secret is needed first"
    : "The one-time secret is not right, or was used before";
  return { status: 401, message, headers: { "www-authenticate": REALM }, ...recorded };
}

/** As the gate answers what has an effect and was sent too early. */
export function unproven(): Problem {
  const message = "It was sent before the client was measured; send it again";
  return { status: 403, code: PEER_REFUSED, message, headers: { "retry-after": "0" } };
}

export function notFound(): Problem {
  return { ...badRequest("Not found"), status: 404 };
}

export function noSession(audit?: string, refusal?: GuardErrorCode): Problem {
  const message = "Session not found";
  return {
    status: 404,
    code: SESSION_NOT_FOUND,
    message,
    ...(audit === undefined ? {} : { audit }),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

export function tooMany(message: string): Problem {
  return { status: 429, code: LIMIT, message, headers: { "retry-after": "1" } };
}

export function notAllowed(allow: string): Problem {
  return { status: 405, code: INVALID_REQUEST, message: "Method not allowed", headers: { allow } };
}

/** Answers with it. Whatever is left of the request's body is not read: then the connection ends. */
export function sendProblem(res: ServerResponse, problem: Problem): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const { status, code, message, data, id = "null" } = problem;
  const error = JSON.stringify({ code, message, ...(data === undefined ? {} : { data }) });
  const body = Buffer.from(`{"jsonrpc":"2.0","id":${id},"error":${error}}`);
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": body.length,
    "cache-control": "no-store",
    ...(res.req.complete ? {} : { connection: "close" }),
    ...problem.headers,
  });
  res.end(body);
}
