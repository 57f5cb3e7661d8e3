/**
 * YAML text to a tree with positions. The only file that knows the YAML library.
 *
 * Reads a small, unsurprising part of YAML 1.2 (core schema): no anchors, aliases, tags, merge keys, directives or
 * second document, keys are words and unique, size and depth are bounded. Invisible characters that make a text read
 * differently from what it is (CVE-2021-42574) are refused as well: a policy is reviewed by eye.
 */
import { Composer, CST, isMap, isScalar, isSeq, Lexer, Parser, type Scalar as YamlScalar } from "yaml";
import type { Entry, ListNode, MapNode, Node, Place, ScalarNode } from "./text/tree.ts";
import { quote, type Report } from "./text/report.ts";

/** In UTF-16 units; a thousand rules fit. */
const MAX_LENGTH = 512 * 1024;
const MAX_DEPTH = 40;

const INVISIBLE =
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\p{Cs}]/u;

/** @returns undefined when the text cannot be read at all; every reason is in the report. */
export function parseText(text: string, report: Report): MapNode | undefined {
  const placeOf = places(text);
  if (text.length > MAX_LENGTH) {
    report.error(placeOf(0), `The file is longer than ${MAX_LENGTH / 1024} KiB`);
    return undefined;
  }
  const invisible = INVISIBLE.exec(text);
  if (invisible !== null) {
    const hint = "Write it as an escape in double quotes, or remove it";
    report.error(placeOf(invisible.index), `Invisible character ${quote(invisible[0])}`, hint);
    return undefined;
  }
  // Taken apart once: the guard reads its policy while a client waits.
  const lexemes = [...new Lexer().lex(text)];
  if (!scan(text, lexemes, report, placeOf)) return undefined;
  return compose(text, lexemes, report, placeOf);
}

const REFUSED: ReadonlyMap<string, readonly [message: string, hint: string]> = new Map([
  ["anchor", ["Anchors are not supported", "Write the value itself"]],
  ["alias", ["Aliases are not supported", "Write the value itself, in quotes if it begins with '*'"]],
  ["tag", ["Tags are not supported", "Remove it; put the value in quotes if it begins with '!'"]],
  ["directive", ["Directives are not supported", "Remove the line; the text is YAML 1.2"]],
  ["directive-line", ["Directives are not supported", "Remove the line; the text is YAML 1.2"]],
  ["explicit-key-ind", ["Keys marked with '?' are not supported", "Write 'key: value'"]],
]);

/** Refuses what we do not speak, and what is nested so deeply that the composer, which is recursive, would choke. */
function scan(
  text: string,
  lexemes: readonly string[],
  report: Report,
  placeOf: (offset: number) => Place,
): boolean {
  let offset = 0;
  let flow = 0;
  let dashes = 0;
  let content = false;
  let scalar = false;
  let fine = true;
  for (const lexeme of lexemes) {
    const type: string = scalar ? "text" : CST.tokenType(lexeme) ?? "";
    scalar = type === "scalar";
    // Marks of the lexer, which are not in the text: control characters of the text were refused above.
    if (type === "scalar" || type === "doc-mode" || type === "flow-error-end") continue;
    const refused = REFUSED.get(type);
    if (refused !== undefined) report.error(placeOf(offset), refused[0], refused[1]);
    if ((type === "doc-start" || type === "doc-end") && content) {
      if (type === "doc-start" || text.slice(offset + lexeme.length).trim() !== "") {
        report.error(placeOf(offset), "A second document is not supported", "Put it into a file of its own");
        return false;
      }
    }
    fine &&= refused === undefined;
    content ||= !SILENT.has(type);
    if (type === "flow-map-start" || type === "flow-seq-start") flow++;
    if (type === "flow-map-end" || type === "flow-seq-end") flow--;
    dashes = type === "newline" ? 0 : dashes + (type === "seq-item-ind" ? 1 : 0);
    if (flow > MAX_DEPTH || dashes > MAX_DEPTH) {
      report.error(placeOf(offset), "Nested too deeply");
      return false;
    }
    offset += lexeme.length;
  }
  return fine;
}

const SILENT: ReadonlySet<string> = new Set(["space", "newline", "comment"]);

function* parseLexemes(lexemes: readonly string[]) {
  const parser = new Parser();
  for (const lexeme of lexemes) yield* parser.next(lexeme);
  yield* parser.end();
}

function compose(
  text: string,
  lexemes: readonly string[],
  report: Report,
  placeOf: (offset: number) => Place,
): MapNode | undefined {
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    // Checked by convertMap: the library compares each key with all before it, which is slow for hostile files.
    uniqueKeys: false,
    stringKeys: true,
    strict: true,
    prettyErrors: false,
    logLevel: "silent",
  });
  const [document] = composer.compose(parseLexemes(lexemes));
  for (const { pos, code, message } of document?.errors ?? []) {
    report.error(placeOf(pos[0]), message.split("\n")[0] ?? code);
  }
  if (document !== undefined && document.errors.length > 0) return undefined;
  const root = document?.contents;
  if (!isMap(root)) {
    report.error(placeOf(0), "The file holds no policy", "Begin with 'version: 1'");
    return undefined;
  }
  return convert(root, { report, placeOf, end: text.length }, 0) as MapNode;
}

interface Conversion {
  readonly report: Report;
  readonly placeOf: (offset: number) => Place;
  readonly end: number;
}

function convert(node: unknown, to: Conversion, depth: number, fallback = 0): Node {
  const range = (node as { range?: readonly number[] } | null)?.range;
  const offset = range?.[0] ?? fallback;
  const place = to.placeOf(offset);
  if (depth > MAX_DEPTH) {
    to.report.error(place, "Nested too deeply");
    return { kind: "scalar", value: null, sound: false, ...place };
  }
  if (isMap(node)) return convertMap(node.items, place, to, depth);
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(item, to, depth + 1, offset));
    return { kind: "list", items, sound: true, ...place } satisfies ListNode;
  }
  return convertScalar(isScalar(node) ? node : undefined, place, to);
}

function convertMap(
  pairs: readonly { readonly key: unknown; readonly value: unknown }[],
  place: Place,
  to: Conversion,
  depth: number,
): MapNode {
  const entries = new Map<string, Entry>();
  let sound = true;
  for (const pair of pairs) {
    const key = convert(pair.key, to, depth + 1);
    if (key.kind !== "scalar" || typeof key.value !== "string" || key.value === "<<") {
      to.report.error(key, key.kind === "scalar" ? "Merge keys are not supported" : "Keys must be words");
      sound = false;
      continue;
    }
    if (entries.has(key.value)) {
      to.report.error(key, `Key ${quote(key.value)} was given before`, "Keep one of the two");
      sound = false;
    }
    const after = (pair.key as { range?: readonly number[] }).range?.[1] ?? 0;
    entries.set(key.value, { key, value: convert(pair.value, to, depth + 1, after) });
  }
  return { kind: "map", entries, sound, ...place };
}

function convertScalar(node: YamlScalar | undefined, place: Place, to: Conversion): ScalarNode {
  const value = node?.value ?? null;
  const isNumber = typeof value === "number";
  if (isNumber && (!Number.isFinite(value) || Number.isInteger(value) && !Number.isSafeInteger(value))) {
    const hint = "Put it in quotes if it is a text";
    to.report.error(place, `Number ${quote(node?.source ?? String(value))} cannot be held exactly`, hint);
    return { kind: "scalar", value, sound: false, ...place };
  }
  const known = value === null || isNumber || typeof value === "string" || typeof value === "boolean";
  return { kind: "scalar", value: known ? value as ScalarNode["value"] : null, sound: known, ...place };
}

/** Finds line and column of an offset by halving, so that a thousand errors cost no more than a few. */
function places(text: string): (offset: number) => Place {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  };
}
