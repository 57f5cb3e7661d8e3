/**
 * What a peer or a server is told when something is refused. Never a path, a digest or a rule's text, save the
 * `message` that the rule's author wrote for it; the reason stands in the audit log under the id that is given.
 */
import type { GuardErrorCode } from "../model/errors.ts";
import type { Flaw } from "../relay/strict-scanner.ts";

/** JSON-RPC error codes. Ours lie outside -32768..-32000, as MCP 2026-07-28 asks of codes for own purposes. */
export const RPC_CODES = {
  ERR_DENIED: 1001,
  ERR_TOO_MANY_PENDING: 1003,
  ERR_SESSION_OVER: 1003,
  ERR_PEER_UNIDENTIFIED: 1004,
  ERR_PEER_GONE: 1004,
  ERR_PEER_REFUSED: 1004,
  ERR_PEER_UNPROVEN: 1004,
  ERR_SENDER_OTHER: 1004,
  ERR_ATTESTATION_FAILED: 1004,
  ERR_TOKEN_INVALID: 1004,
  ERR_TOKEN_EXPIRED: 1004,
  ERR_TOKEN_FOREIGN: 1004,
  ERR_BOOTSTRAP_REQUIRED: 1004,
  ERR_UPSTREAM_LAUNCH: 1005,
  ERR_UPSTREAM_EXITED: 1005,
  ERR_UPSTREAM_MALFORMED: 1005,
  ERR_AUDIT_UNWRITABLE: 1006,
  ERR_AUDIT_INVALID: 1006,
  ERR_FRAME_MALFORMED: -32600,
  ERR_FRAME_TOO_LARGE: -32600,
  ERR_METHOD_UNKNOWN: -32601,
  ERR_INTERNAL: -32603,
  ERR_CONFIG_INVALID: -32603,
  ERR_POLICY_INVALID: -32603,
  ERR_POLICY_UNSAFE: -32603,
  ERR_POLICY_EXPIRED: -32603,
  ERR_PLATFORM_UNSUPPORTED: -32603,
  ERR_SOCKET_UNSAFE: -32603,
} as const satisfies Record<GuardErrorCode, number>;

const PARSE_ERROR = -32700;
export const INVALID_PARAMS = -32602;

/** What is wrong with a line, for the program that sent it. */
const FLAW_SENTENCES: Readonly<Record<Flaw, string>> = {
  syntax: "The line is not JSON",
  bom: "The line begins with a byte order mark",
  utf8: "The line is not valid UTF-8",
  batch: "Batches are not supported",
  "not-an-object": "A message must be an object",
  trailing: "The line holds more than one message",
  depth: "The message is nested too deeply",
  "duplicate-key": "A key stands twice in one object",
  "folded-key": "A key is too much like another one",
  "proto-key": "The key '__proto__' is not accepted",
  surrogate: "A name holds half a surrogate pair",
  id: "An id must be a string or a safe integer",
  method: "A method must be a string",
  params: "Params must be an object",
  shape: "The message is not a JSON-RPC 2.0 request, notification or response",
};

/** A JSON-RPC error as one line without its newline. `id` is JSON text. */
export function errorLine(id: string, code: number, message: string): string {
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":${JSON.stringify(message)}}}`;
}

export function flawLine(id: string, flaw: Flaw, refusal: string): string {
  const code = flaw === "syntax" ? PARSE_ERROR : RPC_CODES.ERR_FRAME_MALFORMED;
  return errorLine(id, code, withId(FLAW_SENTENCES[flaw], refusal));
}

/**
 * A refused tool call, as a result: a JSON-RPC error may never reach the model, a result with `isError` does
 * (MCP, server/tools, error handling).
 */
export function toolRefusalLine(id: string, text: string, modern: boolean): string {
  const kind = modern ? '"resultType":"complete",' : "";
  return `{"jsonrpc":"2.0","id":${id},"result":{${kind}"content":[{"type":"text","text":${
    JSON.stringify(text)
  }}],"isError":true}}`;
}

/** One short sentence and the id under which the audit log has the reason. */
export function withId(sentence: string, refusal: string): string {
  return `${sentence} (mcp-guard ${refusal})`;
}
