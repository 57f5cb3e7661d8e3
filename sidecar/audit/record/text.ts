/**
 * JSON text for audit records, in pure ASCII and of bounded length.
 *
 * Names in a record come from the wire. Everything outside printable ASCII is written as `\uXXXX`, lone surrogates,
 * U+2028 and bidi controls included: a record is one line to every tool that reads it, one byte per character to us,
 * and harmless to a terminal it is printed on raw.
 */
import { sha256Hex } from "./seal.ts";

const PLAIN = /^[ !#-[\]-~]*$/;

/** The longest name kept as it is. */
export const NAME_LIMIT = 256;
const DETAIL_STRING_LIMIT = 1024;
const DETAIL_MEMBERS = 64;
const DETAIL_DEPTH = 4;
/** Characters of one record's details; what does not fit is replaced by a mark, never dropped silently. */
const DETAIL_BUDGET = 16_384;
const CUT = '"[cut]"';

/** A JSON string literal in ASCII. */
export function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\x7f-\uffff]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * The literal of a text from the wire, cut where it is longer than `limit`.
 *
 * The cut text is longer than the limit itself, so no uncut text can look like one; the digest (of the UTF-8 bytes of
 * the whole text) tells two long names apart.
 */
export function boundedQuote(text: string, limit: number = NAME_LIMIT): string {
  if (text.length <= limit) return quote(text);
  const digest = sha256Hex(Buffer.from(text, "utf8"));
  return quote(`${text.slice(0, limit)}...[+${text.length - limit} chars, sha256 ${digest}]`);
}

/** What stands between the quotes of `boundedQuote(text)`: one large template is faster than many small ones. */
export function boundedInner(text: string): string {
  return text.length <= NAME_LIMIT && PLAIN.test(text) ? text : boundedQuote(text).slice(1, -1);
}

/** Details of a lifecycle record: any value, with bounds on depth, members, string length and the whole. */
export function detailText(value: unknown): string {
  return detail(value, DETAIL_DEPTH, { left: DETAIL_BUDGET });
}

interface Budget {
  left: number;
}

function detail(value: unknown, depth: number, budget: Budget): string {
  if (budget.left <= 0) return CUT;
  if (typeof value === "object" && value !== null) {
    if (depth === 0) return CUT;
    // Brackets and commas count too: an array of arrays of nothing has no other text.
    budget.left -= 4;
    return Array.isArray(value) ? list(value, depth, budget) : record(value, depth, budget);
  }
  const text = scalar(value);
  budget.left -= text.length;
  return text;
}

function scalar(value: unknown): string {
  if (typeof value === "string") return boundedQuote(value, DETAIL_STRING_LIMIT);
  if (typeof value === "boolean" || value === null || Number.isFinite(value)) return String(value);
  // NaN, infinities, bigints and what JSON has no word for: better spelled out than turned into null.
  return value === undefined
    ? "null"
    : boundedQuote(String(value as number | bigint | symbol), DETAIL_STRING_LIMIT);
}

function list(values: readonly unknown[], depth: number, budget: Budget): string {
  const shown = values.slice(0, DETAIL_MEMBERS).map((value) => detail(value, depth - 1, budget));
  if (values.length > DETAIL_MEMBERS) shown.push(quote(`[+${values.length - DETAIL_MEMBERS} more]`));
  return `[${shown.join(",")}]`;
}

function record(value: object, depth: number, budget: Budget): string {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  const shown: string[] = [];
  for (const [key, member] of entries.slice(0, DETAIL_MEMBERS)) {
    const name = boundedQuote(key);
    budget.left -= name.length;
    shown.push(`${name}:${detail(member, depth - 1, budget)}`);
  }
  if (entries.length > DETAIL_MEMBERS) shown.push(`"[more]":${entries.length - DETAIL_MEMBERS}`);
  return `{${shown.join(",")}}`;
}
