/** The sections that are lists of what may pass: `resources`, `prompts`, `methods`, `from_server`. */
import type { Decision, PolicyRequest, ServerFeature } from "../decision.ts";
import type { Template, UriPattern } from "../match/uri-pattern.ts";
import { compileUriPattern, parseTemplate } from "../match/uri-pattern.ts";
import type { ParsedUri } from "../match/uri.ts";
import { isWellFormed, type Reading, type Verdict } from "../match/verdict.ts";
import type { Workshop } from "../match/words.ts";
import { quote } from "../text/report.ts";
import { field, mapField, type MapNode, type Place, scalarsOf, textField, textsOf } from "../text/tree.ts";
import { compileName, namesTool, type ToolPattern } from "./rules.ts";

/** One entry of a section. */
export interface ListEntry<T> {
  readonly text: string;
  readonly place: Place;
  judge(value: T): Verdict;
}

/** `allow` undefined: the section does not say, so the default decides what `deny` leaves. */
export interface Section<T, E extends ListEntry<T>> {
  readonly name: string;
  readonly allow: readonly E[] | undefined;
  readonly deny: readonly E[];
}

export type ResourceEntry = ListEntry<ParsedUri> & Pick<UriPattern, "overlaps">;
export type ResourceSection = Section<ParsedUri, ResourceEntry>;
export type PromptSection = Section<string, ListEntry<string>>;

export function compileResources(root: MapNode, workshop: Workshop): ResourceSection {
  const map = mapField(root, "resources");
  const compile = (key: "allow" | "deny", reading: Reading): ResourceEntry[] | undefined => {
    const node = field(map, key);
    if (node === undefined) return undefined;
    return scalarsOf(node).flatMap((item) => {
      const text = String(item.value);
      try {
        const pattern = compileUriPattern(text, reading, workshop.context);
        return [{ ...pattern, place: { line: item.line, column: item.column } }];
      } catch (error) {
        workshop.report.error(item, `${quote(text)} cannot be used: ${(error as Error).message}`);
        return [];
      }
    });
  };
  return { name: "resources", allow: compile("allow", "strict"), deny: compile("deny", "wide") ?? [] };
}

export function compilePrompts(root: MapNode, workshop: Workshop): PromptSection {
  const map = mapField(root, "prompts");
  const compile = (key: "allow" | "deny"): ListEntry<string>[] | undefined => {
    const node = field(map, key);
    if (node === undefined) return undefined;
    const patterns = scalarsOf(node).map((item) => {
      return compileName(item, (message) => workshop.report.error(item, message));
    });
    return patterns.filter((one) => one !== undefined).map(promptEntry);
  };
  return { name: "prompts", allow: compile("allow"), deny: compile("deny") ?? [] };
}

function promptEntry(pattern: ToolPattern): ListEntry<string> {
  const judge = (name: string): Verdict => {
    if (!isWellFormed(name) || name.length > 4096) return "unknown";
    return namesTool(pattern, name, false) ? "yes" : "no";
  };
  return { text: pattern.text, place: pattern.place, judge };
}

/** Deny entries count when they may match, allow entries when they surely do. */
export function decideSection<T, E extends ListEntry<T>>(
  section: Section<T, E>,
  value: T,
  fallback: Decision["effect"],
): Decision {
  const { name, allow, deny } = section;
  if (deny.some((entry) => entry.judge(value) !== "no")) return entryDecision("deny", name);
  if (allow === undefined) return { effect: fallback, reason: "default", rules: [] };
  if (allow.some((entry) => entry.judge(value) === "yes")) return entryDecision("allow", name);
  return { effect: "deny", reason: "section", rules: [] };
}

function entryDecision(effect: Decision["effect"], section: string): Decision {
  return { effect, reason: "rule", rules: [`${section}.${effect}`] };
}

/** Shown when some expansion may be allowed and not all of them are denied. */
export function showsTemplate(section: ResourceSection, text: string, fallback: Decision["effect"]): boolean {
  const template: Template | undefined = parseTemplate(text);
  if (template === undefined) return false;
  if (section.deny.some((entry) => entry.judge(template.sample) !== "no")) return false;
  if (section.allow === undefined) return fallback === "allow";
  return section.allow.some((entry) => entry.overlaps(template.tokens));
}

export interface FixedSections {
  readonly methods: { readonly allow: ReadonlySet<string>; readonly deny: ReadonlySet<string> };
  readonly fromServer: ReadonlyMap<ServerFeature, Decision["effect"]>;
}

export function compileFixedSections(root: MapNode, { report }: Workshop): FixedSections {
  const methods = mapField(root, "methods");
  const allow = new Set(textsOf(field(methods, "allow")));
  for (const item of scalarsOf(field(methods, "deny"))) {
    if (allow.has(String(item.value))) {
      report.error(item, `${quote(String(item.value))} is allowed and denied`);
    }
  }
  const fromServer = new Map<ServerFeature, Decision["effect"]>();
  for (const feature of ["sampling", "elicitation", "roots"] as const) {
    const effect = textField(mapField(root, "from_server"), feature);
    if (effect !== undefined) fromServer.set(feature, effect as Decision["effect"]);
  }
  return { methods: { allow, deny: new Set(textsOf(field(methods, "deny"))) }, fromServer };
}

export function decideFixed(
  sections: FixedSections,
  request: Extract<PolicyRequest, { kind: "method" | "from-server" }>,
  fallback: Decision["effect"],
): Decision {
  if (request.kind === "from-server") {
    const effect = sections.fromServer.get(request.feature);
    return effect === undefined
      ? { effect: fallback, reason: "default", rules: [] }
      : { effect, reason: "section", rules: [] };
  }
  const { allow, deny } = sections.methods;
  if (deny.has(request.method)) return { effect: "deny", reason: "section", rules: [] };
  return { effect: "allow", reason: allow.has(request.method) ? "section" : "default", rules: [] };
}
