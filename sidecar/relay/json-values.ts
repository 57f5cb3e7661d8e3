/**
 * Values out of a scanned line. Numbers that no double holds exactly can be replaced, since the server may read another
 * number there than we would.
 */
import type { Buffer } from "node:buffer";
import { isExactLiteral } from "./json-lexer.ts";

/**
 * Parses `bytes[start..end)`.
 *
 * @param inexact Makes the stand-in for a number literal that no double holds; without it numbers are as JSON.parse
 * reads them. Give it only when the scanner saw such a number: it costs a second pass.
 */
export function parseValue(
  bytes: Buffer,
  start: number,
  end: number,
  inexact?: (literal: string) => unknown,
): unknown {
  const text = bytes.toString("utf8", start, end);
  if (inexact === undefined) return JSON.parse(text);
  // JSON.parse does not show literals on every runtime we support, so they are put into strings first, behind a mark
  // that whoever wrote the message cannot have known.
  const mark = globalThis.crypto.randomUUID();
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"') || isExactLiteral(token)) return token;
    return `"${mark}${token}"`;
  });
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? inexact(value.slice(mark.length)) : value);
}

/** Strings (which are skipped whole) and numbers. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
