/**
 * Ids and tokens of one side put in the place of the other's: every request of the modern era has a space of ids of its
 * own, and one server answers them all. Nothing else of a line changes. Pure.
 */
import { Buffer } from "node:buffer";
import { membersOf, type Span } from "../../../relay/json-members.ts";
import type { Outline } from "../request/outline.ts";

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** One part of a line, and the JSON text that takes its place. */
export interface Edit extends Span {
  readonly text: string;
}

/** The line with its edits made; they do not overlap. */
export function edited(line: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return line;
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(line.subarray(at, start), Buffer.from(text, "utf8"));
    at = end;
  }
  parts.push(line.subarray(at));
  return Buffer.concat(parts);
}

export function edit(span: Span | undefined, text: string | undefined): Edit[] {
  return span === undefined || text === undefined ? [] : [{ ...span, text }];
}

/** Where a server says which subscription a message is of: in `params._meta`, or in that of a subscription's result. */
export function subscriptionSpans(line: Buffer, { spans }: Outline): readonly Span[] {
  if (spans.meta !== undefined) return named(line, spans.meta, SUBSCRIPTION);
  if (spans.result === undefined) return [];
  return named(line, spans.result, "_meta").flatMap((meta) => named(line, meta, SUBSCRIPTION));
}

/** All of them, should there be more than one: a client may read any. */
function named(line: Buffer, object: Span, key: string): Span[] {
  const members = membersOf(line, object.start, object.end) ?? [];
  return members.filter((member) => member.key === key).map(({ value }) => value);
}
