/**
 * The headers of the modern era, held against the body (MCP 2026-07-28, transports, standard request headers): what is
 * before us may have decided by them, so they must not say something else. Pure.
 */
import { Buffer } from "node:buffer";
import type { Outline } from "./outline.ts";
import { badRequest, headerMismatch, INVALID_PARAMS, type Problem, unsupportedVersion } from "./problem.ts";
import type { Headers } from "./request-head.ts";

/** Versions of the modern era that this door speaks. */
export const MODERN_VERSIONS: readonly string[] = ["2026-07-28"];

/** What the header `Mcp-Name` repeats. */
const NAMED: ReadonlyMap<string, "name" | "uri" | "taskId"> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** Whether a request or notification is of the modern era: by its body first, by its header where that says nothing. */
export function isModern({ kind, method, claim }: Outline, headers: Headers): boolean {
  if (kind === "response") return false;
  const named = MODERN_VERSIONS.includes(headers.get("mcp-protocol-version") ?? "");
  if (kind === "flawed") return named;
  if (claim === undefined) return named;
  return method !== "initialize" || MODERN_VERSIONS.includes(textOf(claim) ?? "");
}

/** Whether headers and body of a modern message say the same, and all that they have to. */
export function checkModern(outline: Outline, headers: Headers): Problem | undefined {
  const id = outline.id ?? "null";
  if (outline.method === "initialize" && outline.claim === undefined) {
    return headerMismatch("'initialize' is of another era than the MCP-Protocol-Version header", id);
  }
  return checkEnvelope(outline, headers, id) ?? checkMethod(outline, headers, id) ??
    checkName(outline, headers, id);
}

function checkEnvelope(outline: Outline, headers: Headers, id: string): Problem | undefined {
  const header = headers.get("mcp-protocol-version");
  const { kind, claim, capabilities } = outline;
  const invalid = (what: string): Problem => ({ ...badRequest(what), code: INVALID_PARAMS, id });
  if (claim === undefined) {
    return kind === "notification" ? undefined : invalid("_meta does not name the protocol's version");
  }
  const claimed = textOf(claim);
  if (claimed === undefined) return invalid("The protocol's version in _meta is no string");
  if (kind === "request" && !capabilities) return invalid("_meta does not hold the client's capabilities");
  if (header !== undefined && header !== claimed) {
    return headerMismatch("The MCP-Protocol-Version header is not the version that _meta names", id);
  }
  if (!MODERN_VERSIONS.includes(claimed)) return unsupportedVersion(MODERN_VERSIONS, claimed, id);
  if (header === undefined && kind === "request") {
    return headerMismatch("The MCP-Protocol-Version header is missing", id);
  }
  return undefined;
}

function checkMethod({ kind, method }: Outline, headers: Headers, id: string): Problem | undefined {
  const header = headers.get("mcp-method");
  if (header === undefined) {
    return kind === "notification" ? undefined : headerMismatch("The Mcp-Method header is missing", id);
  }
  return header === method ? undefined : headerMismatch("The Mcp-Method header is not the method", id);
}

function checkName(outline: Outline, headers: Headers, id: string): Problem | undefined {
  const field = outline.kind === "request" ? NAMED.get(outline.method ?? "") : undefined;
  if (field === undefined) return undefined;
  const named = outline[field];
  const header = headers.get("mcp-name");
  if (header === undefined) {
    return named === undefined ? undefined : headerMismatch("The Mcp-Name header is missing", id);
  }
  const said = decodeHeader(header);
  // A body without the name is refused behind us; a header cannot say what it does not.
  return said !== undefined && (named === undefined || said === named)
    ? undefined
    : headerMismatch(`The Mcp-Name header is not the request's ${field}`, id);
}

/** `=?base64?…?=` holds what no header can: anything but visible ASCII. Undefined: not what it says it is. */
export function decodeHeader(value: string): string | undefined {
  if (!value.startsWith("=?base64?") || !value.endsWith("?=")) return value;
  const coded = value.slice("=?base64?".length, -"?=".length);
  const bytes = Buffer.from(coded, "base64");
  if (bytes.toString("base64") !== coded) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8: no name that a body could have.
    return undefined;
  }
}

function textOf(json: string): string | undefined {
  // What the scanner let through as a value is JSON.
  const value: unknown = JSON.parse(json);
  return typeof value === "string" ? value : undefined;
}
