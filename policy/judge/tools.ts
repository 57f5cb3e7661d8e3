/**
 * Decides on tool calls: a deny or hide rule that may match beats everything, then an allow rule that surely matches,
 * then the default. The order of the rules plays no part.
 */
import type { Decision } from "../decision.ts";
import type { Verdict } from "../match/verdict.ts";
import { concerns, judgeClient, judgeRule, type Rule } from "./rules.ts";

type Args = Readonly<Record<string, unknown>>;

export interface ToolTable {
  decide(name: string, args: Args | undefined, client: string | undefined): Decision;
  shows(name: string, client: string | undefined): boolean;
  readsArguments(name: string): boolean;
  argumentNames(name: string): readonly string[];
}

/** All that is to be known of one tool name, worked out once. */
interface ToolEntry {
  readonly refusing: readonly Rule[];
  readonly allowing: readonly Rule[];
  /** Decisions by the set of rules that made them, as bits: no allocation on the hot path. */
  readonly decisions: Map<number, Decision>;
  /** Undefined: it depends on the client. */
  readonly shown: boolean | undefined;
  readonly readsArguments: boolean;
  readonly argumentNames: readonly string[];
}

/** Names come from the peer, so what is remembered of them is bounded. */
const MAX_REMEMBERED = 1024;
const MAX_NAME_LENGTH = 256;

export function openToolTable(rules: readonly Rule[], fallback: "allow" | "deny"): ToolTable {
  const remembered = new Map<string, ToolEntry>();
  const byDefault: Decision = Object.freeze({
    effect: fallback,
    reason: "default",
    rules: Object.freeze([]),
  });
  const entryOf = (name: string): ToolEntry => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const entry = makeEntry(rules.filter((rule) => concerns(rule, name)), fallback);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (name.length <= MAX_NAME_LENGTH) remembered.set(name, entry);
    return entry;
  };
  return {
    decide(name, args, client) {
      const entry = entryOf(name);
      return decideBy(entry, "deny", args, client) ?? decideBy(entry, "allow", args, client) ?? byDefault;
    },
    shows(name, client) {
      const { shown, refusing, allowing } = entryOf(name);
      return shown ?? isShown([...refusing, ...allowing], client, fallback);
    },
    readsArguments: (name) => entryOf(name).readsArguments,
    argumentNames: (name) => entryOf(name).argumentNames,
  };
}

function makeEntry(rules: readonly Rule[], fallback: "allow" | "deny"): ToolEntry {
  const depends = rules.some((rule) => rule.clients !== undefined);
  const names = rules.flatMap((rule) => rule.args?.parts ?? []).map((part) => part.selector.steps[0]);
  return {
    refusing: rules.filter((rule) => rule.effect !== "allow"),
    allowing: rules.filter((rule) => rule.effect === "allow"),
    decisions: new Map(),
    shown: depends ? undefined : isShown(rules, undefined, fallback),
    readsArguments: rules.some((rule) => rule.args !== undefined),
    argumentNames: Array.from(new Set(names.filter((name) => typeof name === "string"))),
  };
}

/** Of the rules that name the tool, those that may speak of the client. */
function isShown(rules: readonly Rule[], client: string | undefined, fallback: Decision["effect"]): boolean {
  const speaking = rules.filter((rule) => counts(rule.effect, judgeClient(rule, client)));
  if (speaking.some((rule) => rule.effect === "hide")) return false;
  return speaking.length > 0 || fallback === "allow";
}

/** What allows must be certain; what denies need not be. */
function counts(effect: Rule["effect"], verdict: Verdict): boolean {
  return effect === "allow" ? verdict === "yes" : verdict !== "no";
}

function decideBy(
  entry: ToolEntry,
  effect: Decision["effect"],
  args: Args | undefined,
  client: string | undefined,
): Decision | undefined {
  const rules = effect === "deny" ? entry.refusing : entry.allowing;
  let matched = 0;
  let bits = 0;
  let others: Rule[] | undefined;
  for (let index = 0; index < rules.length; index++) {
    if (!counts(effect, judgeRule(rules[index]!, args, client))) continue;
    matched++;
    if (index < 29) bits |= 1 << index;
    else (others ??= []).push(rules[index]!);
  }
  if (matched === 0) return undefined;
  const key = effect === "deny" ? bits | 1 << 29 : bits;
  const known = others === undefined ? entry.decisions.get(key) : undefined;
  if (known !== undefined) return known;
  const determining = [
    ...rules.filter((_, index) => index < 29 && (bits & 1 << index) !== 0),
    ...(others ?? []),
  ];
  const decision = makeDecision(effect, determining);
  if (others === undefined && entry.decisions.size < 256) entry.decisions.set(key, decision);
  return decision;
}

function makeDecision(effect: Decision["effect"], rules: readonly Rule[]): Decision {
  const names = Object.freeze(rules.map((rule) => rule.name));
  // The first by name, not by place in the file: order must not matter.
  const speaking = rules.filter((rule) => rule.message !== undefined);
  const first = speaking.sort((a, b) => a.name < b.name ? -1 : 1)[0];
  const decision: Decision = { effect, reason: "rule", rules: names };
  return Object.freeze(first?.message === undefined ? decision : { ...decision, message: first.message });
}
