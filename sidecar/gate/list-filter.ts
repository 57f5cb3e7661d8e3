/**
 * Takes out of a list what the policy does not show, and leaves every other byte as the server wrote it.
 */
import { Buffer } from "node:buffer";
import type { ListMember } from "../protocol/methods.ts";
import type { Judge } from "./judge.ts";
import { elementsOf, type Member, membersOf, type Span } from "../relay/json-members.ts";
import { applyEdits, type Edit } from "../relay/edits.ts";

export interface FilteredList {
  /** The whole line, newline included. */
  readonly line: Buffer;
  readonly hidden: readonly string[];
}

/**
 * @param result Where the `result` object stands in `line`.
 * @returns Undefined when the result is not a list of the expected form: it must not go on then.
 */
export function filterList(
  line: Buffer,
  result: Span,
  entries: ListMember,
  judge: Pick<Judge, "shows">,
  modern: boolean,
): FilteredList | undefined {
  const members = membersOf(line, result.start, result.end);
  const list = members?.find((member) => member.key === entries);
  if (members === undefined || list === undefined) return undefined;
  const elements = elementsOf(line, list.value.start, list.value.end);
  if (elements === undefined) return undefined;

  const hidden: string[] = [];
  const edits: Edit[] = [];
  const kept: Span[] = [];
  for (const element of elements) {
    const name = nameOf(line, element, entries);
    if (name === undefined) return undefined;
    if (judge.shows(entries, name)) kept.push(element);
    else hidden.push(name);
  }
  if (hidden.length > 0) edits.push({ at: list.value, text: arrayOf(line, kept) });
  if (modern) edits.push(...uncached(members, result));
  return { line: applyEdits(line, edits), hidden };
}

/** What a list entry is called: tools and prompts by name, resources by URI, templates by their template. */
function nameOf(line: Buffer, element: Span, entries: ListMember): string | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line.toString("utf8", element.start, element.end));
  } catch {
    // Not JSON: the caller refuses the whole list.
    return undefined;
  }
  if (typeof entry !== "object" || entry === null) return undefined;
  const key = entries === "resources" ? "uri" : entries === "resourceTemplates" ? "uriTemplate" : "name";
  const name = Object.hasOwn(entry, key) ? (entry as Record<string, unknown>)[key] : undefined;
  return typeof name === "string" ? name : undefined;
}

function arrayOf(line: Buffer, elements: readonly Span[]): Buffer {
  const parts: Buffer[] = [Buffer.from("[")];
  elements.forEach(({ start, end }, i) => {
    if (i > 0) parts.push(Buffer.from(","));
    parts.push(line.subarray(start, end));
  });
  parts.push(Buffer.from("]"));
  return Buffer.concat(parts);
}

/** A list that was made for one principal must not be served to another from a cache (MCP 2026-07-28, caching). */
function uncached(members: readonly Member[], result: Span): Edit[] {
  const edits: Edit[] = [];
  for (const [key, value] of [["cacheScope", '"private"'], ["ttlMs", "0"]] as const) {
    const member = members.find((candidate) => candidate.key === key);
    if (member !== undefined) edits.push({ at: member.value, text: Buffer.from(value) });
    else {
      const at = { start: result.start + 1, end: result.start + 1 };
      edits.push({ at, text: Buffer.from(`"${key}":${value}${members.length > 0 ? "," : ""}`) });
    }
  }
  return edits;
}
