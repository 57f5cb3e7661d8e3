/**
 * Decides on tool calls: a deny or hide rule that may match beats everything, then an allow rule that surely matches,
 * then the default. The order of the rules plays no part.
 */
import type { Decision } from "../decision.ts";
import { concerns, judgeRule, type Rule } from "./rules.ts";

export interface ToolTable {
  decide(name: string, args: Readonly<Record<string, unknown>> | undefined): Decision;
  shows(name: string): boolean;
  readsArguments(name: string): boolean;
  argumentNames(name: string): readonly string[];
}

/** All that is to be known of one tool name, worked out once. */
interface ToolEntry {
  readonly refusing: readonly Rule[];
  readonly allowing: readonly Rule[];
  /** Decisions by the set of rules that made them, as bits: no allocation on the hot path. */
  readonly decisions: Map<number, Decision>;
  readonly shown: boolean;
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
    decide(name, args) {
      const entry = entryOf(name);
      return decideBy(entry, entry.refusing, "deny", args) ??
        decideBy(entry, entry.allowing, "allow", args) ??
        byDefault;
    },
    shows: (name) => entryOf(name).shown,
    readsArguments: (name) => entryOf(name).readsArguments,
    argumentNames: (name) => entryOf(name).argumentNames,
  };
}

function makeEntry(rules: readonly Rule[], fallback: "allow" | "deny"): ToolEntry {
  const hidden = rules.some((rule) => rule.effect === "hide");
  const names = rules.flatMap((rule) => rule.args?.parts ?? []).map((part) => part.selector.steps[0]);
  return {
    refusing: rules.filter((rule) => rule.effect !== "allow"),
    allowing: rules.filter((rule) => rule.effect === "allow"),
    decisions: new Map(),
    shown: !hidden && (rules.length > 0 || fallback === "allow"),
    readsArguments: rules.some((rule) => rule.args !== undefined),
    argumentNames: Array.from(new Set(names.filter((name) => typeof name === "string"))),
  };
}

function decideBy(
  entry: ToolEntry,
  rules: readonly Rule[],
  effect: Decision["effect"],
  args: Readonly<Record<string, unknown>> | undefined,
): Decision | undefined {
  let matched = 0;
  let bits = 0;
  let others: Rule[] | undefined;
  for (let index = 0; index < rules.length; index++) {
    const verdict = judgeRule(rules[index]!, args);
    if (effect === "allow" ? verdict !== "yes" : verdict === "no") continue;
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
