/**
 * Values out of a scanned line. Numbers that no double holds exactly can be replaced, since the server may read another
 * number there than we would.
 */
import type { Buffer } from "node:buffer";
import { ascii, isExactLiteral, JsonLexer } from "./json-lexer.ts";

/**
 * Parses `bytes[start..end)`.
 *
 * @param inexact Makes the stand-in for a number literal that no double holds; without it numbers are as JSON.parse
 * reads them. Give it only when the scanner saw a number that might be such a one: it costs a second pass.
 */
export function parseValue(
  bytes: Buffer,
  start: number,
  end: number,
  inexact?: (literal: string) => unknown,
): unknown {
  const literals = inexact === undefined ? [] : inexactLiterals(bytes, start, end);
  const [first] = literals;
  if (inexact === undefined || first === undefined) return JSON.parse(bytes.toString("utf8", start, end));
  // JSON.parse does not show literals on every runtime we support, so they are put into strings first, behind a mark
  // that whoever wrote the message cannot have known.
  const mark = globalThis.crypto.randomUUID();
  const parts: string[] = [bytes.toString("utf8", start, first.start)];
  literals.forEach(({ start: from, end: to }, i) => {
    const next = literals[i + 1]?.start ?? end;
    parts.push(`"${mark}${ascii(bytes, from, to)}"`, bytes.toString("utf8", to, next));
  });
  return JSON.parse(
    parts.join(""),
    (_key, value: unknown) =>
      typeof value === "string" && value.startsWith(mark) ? inexact(value.slice(mark.length)) : value,
  );
}

/** Not by a regular expression: over strings of megabytes those run out of stack. */
function inexactLiterals(bytes: Buffer, start: number, end: number): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  const lexer = new JsonLexer();
  lexer.bytes = bytes;
  lexer.end = end;
  for (let pos = start; pos < end;) {
    const c = bytes[pos] as number;
    if (c === 0x22) pos = afterOrThrow(lexer.string(pos + 1)) + 1;
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      lexer.suspect = false;
      const after = afterOrThrow(lexer.number(pos));
      if (lexer.suspect && !isExactLiteral(ascii(bytes, pos, after))) found.push({ start: pos, end: after });
      pos = after;
    } else pos++;
  }
  return found;
}

function afterOrThrow(after: number): number {
  if (after < 0) throw new SyntaxError("Cannot parse a value: it is not JSON");
  return after;
}
