import { Buffer } from "node:buffer";
import { applyEdits, type Edit } from "../../relay/edits.ts";
import { elementsOf, memberAt, type Span } from "../../relay/json-members.ts";
import { OWN_TOOL, OWN_TOOL_DEFINITION } from "./own-tool.ts";

/**
 * Puts the guard's own tool into a list of tools, and takes out one that the server has under its name: a call of it
 * would not reach the server.
 *
 * @param line A whole answer, newline included, whose list can be read.
 * @param first Whether it is the list's first page: it stands there once.
 */
export function listOwnTool(
  line: Buffer,
  first: boolean,
): { readonly line: Buffer; readonly shadowed: boolean } {
  const list = memberAt(line, ["result", "tools"]);
  const elements = list && elementsOf(line, list.start, list.end);
  if (list === undefined || elements === undefined) return { line, shadowed: false };
  const kept = elements.filter((element) => nameOf(line, element) !== OWN_TOOL);
  const shadowed = kept.length < elements.length;
  if (!first && !shadowed) return { line, shadowed };
  const texts = kept.map(({ start, end }) => line.subarray(start, end));
  const entries = first ? [Buffer.from(OWN_TOOL_DEFINITION), ...texts] : texts;
  const edit: Edit = {
    at: list,
    text: Buffer.concat([Buffer.from("["), ...separated(entries), Buffer.from("]")]),
  };
  return { line: applyEdits(line, [edit]), shadowed };
}

function separated(entries: readonly Buffer[]): Buffer[] {
  return entries.flatMap((entry, i) => i === 0 ? [entry] : [Buffer.from(","), entry]);
}

function nameOf(line: Buffer, { start, end }: Span): unknown {
  const entry: unknown = JSON.parse(line.toString("utf8", start, end));
  return typeof entry === "object" && entry !== null ? (entry as { name?: unknown }).name : undefined;
}
