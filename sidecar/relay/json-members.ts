/**
 * Where the members of an object, or the elements of an array, stand in a line: for changing one part of a message and
 * leaving every other byte as it came.
 *
 * For text that was scanned before (`StrictScanner`); it is not checked again. Not for the hot path.
 */
import type { Buffer } from "node:buffer";
import { decodeString, JsonLexer } from "./json-lexer.ts";

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Member extends Span {
  readonly key: string;
  /** Where the member's value stands; `start`..`end` hold key and value. */
  readonly value: Span;
}

/** @returns The members in order, or undefined when `bytes[start..end)` is not one object. */
export function membersOf(bytes: Buffer, start: number, end: number): readonly Member[] | undefined {
  const members: Member[] = [];
  const sound = walk(bytes, start, end, 0x7b, (lexer, pos) => {
    if (pos >= end || bytes[pos] !== 0x22) return -1;
    const close = lexer.string(pos + 1);
    if (close < 0) return -1;
    const colon = skipBlanks(bytes, close + 1, end);
    if (colon >= end || bytes[colon] !== 0x3a) return -1;
    const value = skipBlanks(bytes, colon + 1, end);
    const after = skipValue(lexer, value);
    if (after < 0) return -1;
    members.push({
      key: decodeString(bytes, pos + 1, close),
      start: pos,
      end: after,
      value: { start: value, end: after },
    });
    return after;
  });
  return sound ? members : undefined;
}

/** Where the value under a path of keys stands, from the line's own object on. */
export function memberAt(line: Buffer, path: readonly string[]): Span | undefined {
  let at: Span | undefined = { start: line.indexOf("{"), end: line.lastIndexOf("}") + 1 };
  for (const key of path) {
    const members: readonly Member[] | undefined = at && membersOf(line, at.start, at.end);
    at = members?.find((member) => member.key === key)?.value;
  }
  return at;
}

/** @returns The elements in order, or undefined when `bytes[start..end)` is not one array. */
export function elementsOf(bytes: Buffer, start: number, end: number): readonly Span[] | undefined {
  const elements: Span[] = [];
  const sound = walk(bytes, start, end, 0x5b, (lexer, pos) => {
    const after = skipValue(lexer, pos);
    if (after >= 0) elements.push({ start: pos, end: after });
    return after;
  });
  return sound ? elements : undefined;
}

function walk(
  bytes: Buffer,
  start: number,
  end: number,
  open: number,
  part: (lexer: JsonLexer, pos: number) => number,
): boolean {
  // The buffer goes on behind `end`: a bracket there is no end of ours, and one before it leaves something over.
  const last = end - 1;
  if (start >= last || bytes[start] !== open || bytes[last] !== open + 2) return false;
  const lexer = new JsonLexer();
  lexer.bytes = bytes;
  lexer.end = last;
  let pos = skipBlanks(bytes, start + 1, last);
  if (pos === last) return true;
  for (;;) {
    pos = part(lexer, pos);
    if (pos < 0) return false;
    pos = skipBlanks(bytes, pos, last);
    if (pos === last) return true;
    if (bytes[pos] !== 0x2c) return false;
    pos = skipBlanks(bytes, pos + 1, last);
  }
}

function skipValue(lexer: JsonLexer, pos: number): number {
  const { bytes, end } = lexer;
  const first = bytes[pos];
  if (pos >= end || first === undefined) return -1;
  if (first === 0x7b || first === 0x5b) return lexer.skipContainer(pos);
  if (first === 0x22) return lexer.string(pos + 1) + 1 || -1;
  let after = pos;
  while (after < end && !isDelimiter(bytes[after] as number)) after++;
  return after > pos ? after : -1;
}

function isDelimiter(c: number): boolean {
  return c === 0x2c || c === 0x7d || c === 0x5d || c <= 0x20;
}

function skipBlanks(bytes: Buffer, pos: number, end: number): number {
  while (pos < end && (bytes[pos] as number) <= 0x20) pos++;
  return pos;
}
