/** What the `_meta` of a shared server's messages says of whom they are for. */
import type { Buffer } from "node:buffer";
import { ascii } from "../../relay/json-lexer.ts";
import { membersOf, type Span } from "../../relay/json-members.ts";
import { valueOf } from "./task-answers.ts";

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** A number of ours that the server says back; undefined for anything else, another spelling of it included. */
export function numberAt(bytes: Buffer, { start, end }: Span): number | undefined {
  if (end - start > 16) return undefined;
  const text = ascii(bytes, start, end);
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined;
}

/** The `subscriptions/listen` that a message belongs to (2026-07-28), and where the message says so. */
export function listenerOf(
  bytes: Buffer,
  meta: Span,
): { readonly at: Span; readonly number: number } | undefined {
  const at = valueOf(membersOf(bytes, meta.start, meta.end), SUBSCRIPTION);
  const number = at === undefined ? undefined : numberAt(bytes, at);
  return at === undefined || number === undefined ? undefined : { at, number };
}

/** Longest progress token of a server's that is remembered. */
const LONGEST_TOKEN = 1024;

/** The token under which the server wants to hear of progress, as JSON text. */
export function tokenOf(bytes: Buffer, meta: Span): string | undefined {
  const at = valueOf(membersOf(bytes, meta.start, meta.end), "progressToken");
  if (at === undefined || at.end - at.start > LONGEST_TOKEN) return undefined;
  return bytes.toString("utf8", at.start, at.end);
}
