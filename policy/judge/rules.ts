/** `rules` to closures. What a rule says of one call is a verdict; what follows from it is `tools.ts`'s part. */
import { compileGlob, type TextTest } from "../match/glob.ts";
import { parseGlob } from "../match/glob-parse.ts";
import { compileCovers, type Covers } from "../match/closed.ts";
import { compileMatcher, type Matcher } from "../match/matcher.ts";
import { compileSelector, parseSelector, type Selector } from "../match/selector.ts";
import { both, isContainer, type Judge, type Reading, type Verdict } from "../match/verdict.ts";
import type { Workshop } from "../match/words.ts";
import { suggestion } from "../text/nearest.ts";
import { quote } from "../text/report.ts";
import { field, type MapNode, type Place, type ScalarNode, scalarsOf, textField } from "../text/tree.ts";

export interface Rule {
  readonly name: string;
  readonly effect: "allow" | "deny" | "hide";
  readonly message: string | undefined;
  readonly place: Place;
  readonly tools: readonly ToolPattern[];
  /** Undefined: the rule speaks of every client. */
  readonly clients: ReadonlySet<string> | undefined;
  /** Undefined: the rule does not look at arguments. */
  readonly args: ArgumentRule | undefined;
}

export interface ToolPattern {
  readonly text: string;
  readonly place: Place;
  /** Undefined: `text` is the tool's exact name. */
  readonly test: TextTest | undefined;
}

export interface ArgumentRule {
  readonly parts: readonly ArgumentPart[];
  /** Undefined: the rule lets other arguments be. */
  readonly covers: Covers | undefined;
}

export interface ArgumentPart {
  readonly text: string;
  readonly place: Place;
  readonly selector: Selector;
  readonly matcher: Matcher;
  /** Of the whole arguments. */
  readonly judge: Judge;
}

/** @param clients Names that rules may refer to. */
export function compileRules(
  nodes: readonly MapNode[],
  clients: ReadonlySet<string>,
  workshop: Workshop,
): readonly Rule[] {
  const names = new Set<string>();
  const rules: Rule[] = [];
  for (const node of nodes) {
    const name = textField(node, "name");
    if (name !== undefined && names.has(name)) {
      workshop.report.error(
        field(node, "name")!,
        `Two rules are called ${quote(name)}`,
        "Give each its own name",
      );
    }
    if (name !== undefined) names.add(name);
    const rule = compileRule(node, clients, workshop);
    if (rule !== undefined && node.sound) rules.push(rule);
  }
  return rules;
}

/** Also goes through a rule that has errors, as far as it can be understood, to find those in the rest of it. */
function compileRule(
  node: MapNode,
  known: ReadonlySet<string>,
  workshop: Workshop,
): Rule | undefined {
  const name = textField(node, "name");
  const effect = textField(node, "effect") as Rule["effect"] | undefined;
  if (effect !== undefined) checkKeys(node, effect, workshop);
  const args = node.entries.get("args")?.value;
  const compiled = args?.kind === "map"
    ? compileArguments(node, args, effect ?? "allow", workshop)
    : undefined;
  const tools = compileTools(node, workshop);
  const clients = readClients(node, known, workshop);
  if (name === undefined || effect === undefined || args !== undefined && compiled === undefined) {
    return undefined;
  }
  const place = { line: node.line, column: node.column };
  return { name, effect, message: textField(node, "message"), place, tools, clients, args: compiled };
}

function checkKeys(node: MapNode, effect: Rule["effect"], { report }: Workshop): void {
  const keyOf = (name: string) => node.entries.get(name)?.key;
  if (effect !== "deny" && keyOf("message")) {
    const hint = "Remove it: a message tells a refused caller why, so it belongs to a deny rule";
    report.error(keyOf("message")!, `'message' has no use in a rule that says '${effect}'`, hint);
  }
  if (effect === "hide" && keyOf("args")) {
    const hint = "Use 'effect: deny' for some arguments; a list shows a tool or it does not";
    report.error(keyOf("args")!, "'hide' cannot depend on arguments", hint);
  }
  if (keyOf("other_args") && (effect !== "allow" || !keyOf("args"))) {
    const hint = "Remove it: only 'args' of an allow rule says which arguments there may be";
    report.error(keyOf("other_args")!, "'other_args' has no use here", hint);
  }
}

function compileTools(node: MapNode, { report }: Workshop): ToolPattern[] {
  const list = field(node, "tools");
  if (list === undefined) return [];
  const items = scalarsOf(list);
  if (items.length === 0) report.error(list, "'tools' is empty: the rule can never match");
  const seen = new Set<string>();
  return items.flatMap((item) => {
    const text = String(item.value);
    if (seen.has(text)) report.error(item, `${quote(text)} is listed twice`);
    seen.add(text);
    const pattern = compileName(item, (message) => report.error(item, message));
    return pattern === undefined ? [] : [pattern];
  });
}

/** A name that is misspelt would keep a deny rule from ever speaking of anybody. */
function readClients(
  node: MapNode,
  known: ReadonlySet<string>,
  { report }: Workshop,
): ReadonlySet<string> | undefined {
  const list = field(node, "clients");
  if (list === undefined) return undefined;
  const items = scalarsOf(list);
  if (items.length === 0) report.error(list, "'clients' is empty: the rule can never match");
  const names = new Set<string>();
  for (const item of items) {
    const name = String(item.value);
    if (names.has(name)) report.error(item, `${quote(name)} is listed twice`);
    names.add(name);
    if (known.has(name)) continue;
    const hint = known.size === 0 ? "Name it under 'clients' of the policy" : suggestion(name, [...known]);
    report.error(item, `The policy has no client ${quote(name)}`, hint);
  }
  return names;
}

/** A name, or a glob over names. */
export function compileName(item: ScalarNode, refuse: (message: string) => void): ToolPattern | undefined {
  const text = String(item.value);
  const place = { line: item.line, column: item.column };
  if (!/[*?[\]{}\\]/.test(text)) return { text, place, test: undefined };
  try {
    return { text, place, test: compileGlob(parseGlob(text, { mode: "name" })) };
  } catch (error) {
    refuse(`Glob ${quote(text)} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** @param doubt The answer for a name that is too long to be judged. */
export function namesTool(pattern: ToolPattern, name: string, doubt: boolean): boolean {
  return pattern.test === undefined ? pattern.text === name : pattern.test(name) ?? doubt;
}

/** Whether the rule speaks of the tool at all. */
export function concerns(rule: Rule, tool: string): boolean {
  return rule.tools.some((pattern) => namesTool(pattern, tool, rule.effect !== "allow"));
}

function compileArguments(
  rule: MapNode,
  args: MapNode,
  effect: Rule["effect"],
  workshop: Workshop,
): ArgumentRule | undefined {
  const reading: Reading = effect === "allow" ? "strict" : "wide";
  const parts: ArgumentPart[] = [];
  for (const { key, value } of args.entries.values()) {
    const selector = readSelector(key, reading, workshop);
    const matcher = value.kind === "map" && value.sound
      ? compileMatcher(value, reading, workshop)
      : undefined;
    if (selector === undefined || matcher === undefined) continue;
    const judge = compileSelector(selector, reading, matcher.judge);
    const place = { line: key.line, column: key.column };
    parts.push({ text: String(key.value), place, selector, matcher, judge });
  }
  if (parts.length < args.entries.size) return undefined;
  const closed = effect === "allow" && textField(rule, "other_args") === undefined;
  return { parts, covers: closed ? compileCovers(parts.map((part) => part.selector)) : undefined };
}

function readSelector(key: ScalarNode, reading: Reading, { report }: Workshop): Selector | undefined {
  const text = String(key.value);
  const selector = parseSelector(text);
  if (typeof selector === "string") {
    report.error(key, `${quote(text)} names no argument: ${selector}`);
    return undefined;
  }
  const wrong = reading === "strict" ? "some" : "every";
  if (selector.quantifier !== wrong) return selector;
  const right = wrong === "some" ? "every" : "some";
  const reason = wrong === "some"
    ? "one good element would allow all the others"
    : "one harmless element would pass";
  report.error(key, `'${wrong}' cannot be used in this rule: ${reason}`, `Write '${right}(…)'`);
  return undefined;
}

const NO_ARGUMENTS: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null));

/** Whether the rule speaks of this client; unknown when nobody knows which one it is. */
export function judgeClient({ clients }: Rule, client: string | undefined): Verdict {
  if (clients === undefined) return "yes";
  return client === undefined ? "unknown" : clients.has(client) ? "yes" : "no";
}

/** What a rule says of a call to a tool that it names. */
export function judgeRule(
  rule: Rule,
  args: Readonly<Record<string, unknown>> | undefined,
  client: string | undefined,
): Verdict {
  const who = judgeClient(rule, client);
  return who === "no" ? "no" : both(who, judgeArguments(rule, args));
}

function judgeArguments(rule: Rule, args: Readonly<Record<string, unknown>> | undefined): Verdict {
  if (rule.args === undefined) return "yes";
  const value = args === undefined ? NO_ARGUMENTS : args;
  if (!isContainer(value) || Array.isArray(value)) return "unknown";
  if (rule.args.covers?.(value) === false) return "no";
  let verdict: Verdict = "yes";
  for (const part of rule.args.parts) {
    verdict = both(verdict, part.judge(value));
    if (verdict === "no") return "no";
  }
  return verdict;
}
