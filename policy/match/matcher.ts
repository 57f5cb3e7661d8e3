/**
 * Matchers to closures.
 *
 * - A missing value matches nothing but `absent`; `not` of it is unknown.
 * - An array is judged by its elements: every one in allow rules, some one in deny rules, unknown when there is none.
 *   Only a matcher that says `type` speaks of the array itself.
 * - `not` turns the reading round: what is wide outside is strict inside.
 */
import { quote, type Report } from "../text/report.ts";
import { field, type MapNode, type Node, scalarsOf } from "../text/tree.ts";
import {
  both,
  combine,
  either,
  type Judge,
  MISSING,
  negate,
  opposite,
  type Reading,
  type Verdict,
} from "./verdict.ts";
import { type WordJudge, WORDS, type Workshop } from "./words.ts";

export interface Matcher {
  readonly judge: Judge;
  /** The matcher in the author's words, for `policy explain`. */
  readonly says: string;
  readonly why: (value: unknown) => string | undefined;
}

/** @returns undefined when it has errors, which are in the report. */
export function compileMatcher(node: MapNode, reading: Reading, workshop: Workshop): Matcher | undefined {
  checkSense(node, reading, workshop.report);
  const record = compileRecord(node, reading, workshop);
  if (record === undefined) return undefined;
  const judge = mentionsType(node) ? record.judge : overElements(record.judge, reading);
  return { judge, says: describe(node), why: record.why ?? (() => undefined) };
}

function overElements(judge: Judge, reading: Reading): Judge {
  const judgeAll: Judge = (value) => {
    if (!Array.isArray(value)) return judge(value);
    if (value.length === 0) return "unknown";
    let result = judgeAll(value[0]);
    for (let index = 1; index < value.length; index++) {
      result = combine(reading, result, judgeAll(value[index]));
    }
    return result;
  };
  return judgeAll;
}

function compileRecord(node: MapNode, reading: Reading, workshop: Workshop): WordJudge | undefined {
  const judges: WordJudge[] = [];
  let complete = true;
  for (const [word, { value }] of node.entries) {
    const judge = compileWord(word, value, reading, workshop);
    if (judge === undefined) complete = false;
    else if (judge !== "presence") judges.push(judge);
  }
  if (!complete) return undefined;
  const absent = scalarsOf(field(node, "absent"))[0]?.value;
  const judge = conjunction(judges.map((one) => one.judge), absent === true, absent === "ok");
  return { judge, why: (value) => firstReason(judges, value) };
}

function firstReason(judges: readonly WordJudge[], value: unknown): string | undefined {
  for (const { judge, why } of judges) {
    const reason = value !== MISSING && judge(value) === "unknown" ? why?.(value) : undefined;
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function conjunction(judges: readonly Judge[], absent: boolean, absentOk: boolean): Judge {
  if (absent) return (value) => value === MISSING ? "yes" : "no";
  return (value) => {
    if (value === MISSING && absentOk) return "yes";
    let result: Verdict = value === MISSING && judges.length === 0 ? "no" : "yes";
    for (const judge of judges) {
      result = both(result, judge(value));
      if (result === "no") return "no";
    }
    return result;
  };
}

function compileWord(
  word: string,
  node: Node,
  reading: Reading,
  workshop: Workshop,
): WordJudge | "presence" | undefined {
  if (word === "present") return { judge: (value) => value === MISSING ? "no" : "yes" };
  if (word === "absent") return "presence";
  if (word === "all" || word === "any") return compileList(word, node, reading, workshop);
  if (word === "not") return compileNot(node as MapNode, reading, workshop);
  const compiled = WORDS.get(word)?.[1](node, reading, workshop);
  if (compiled === undefined) return undefined;
  const { judge } = compiled;
  return { ...compiled, judge: (value) => value === MISSING ? "no" : judge(value) };
}

function compileNot(node: MapNode, reading: Reading, workshop: Workshop): WordJudge | undefined {
  const inner = compileRecord(node, opposite(reading), workshop);
  if (inner === undefined) return undefined;
  return {
    judge(value) {
      const verdict = negate(inner.judge(value));
      return value === MISSING && verdict === "yes" ? "unknown" : verdict;
    },
    why: (value) => value === MISSING ? "it is missing" : inner.why?.(value),
  };
}

function compileList(
  word: "all" | "any",
  node: Node,
  reading: Reading,
  workshop: Workshop,
): WordJudge | undefined {
  const items = node.kind === "list" ? node.items : [];
  if (items.length === 0) {
    workshop.report.error(node, `'${word}' is empty`, "Give it at least one matcher");
    return undefined;
  }
  const inner = items.map((item) => compileRecord(item as MapNode, reading, workshop));
  const judges = inner.filter((one) => one !== undefined);
  if (judges.length < inner.length) return undefined;
  const join = word === "all" ? both : either;
  return {
    judge(value) {
      let result: Verdict = word === "all" ? "yes" : "no";
      for (const one of judges) result = join(result, one.judge(value));
      return result;
    },
    why: (value) => firstReason(judges, value),
  };
}

/** Whether it speaks of types anywhere, so that arrays reach it whole. */
function mentionsType(node: Node): boolean {
  if (node.kind === "list") return node.items.some(mentionsType);
  if (node.kind === "scalar") return false;
  return node.entries.has("type") ||
    ["all", "any", "not"].some((word) =>
      node.entries.has(word) && mentionsType(node.entries.get(word)!.value)
    );
}

/** Finds matchers that can never say yes, or never say anything but yes. */
function checkSense(node: MapNode, reading: Reading, report: Report): void {
  const words = Array.from(node.entries.keys());
  if (words.length === 0) report.error(node, "The matcher is empty", "Write {present: true} for any value");
  const absent = scalarsOf(field(node, "absent"))[0]?.value;
  if (absent === true && words.length > 1) {
    report.error(
      node,
      "'absent: true' can never hold together with another word",
      "Did you mean 'absent: ok'?",
    );
  }
  if (absent === "ok" && (reading === "wide" || words.length === 1)) {
    const hint = reading === "wide"
      ? "Write any: [{absent: true}, …]"
      : "Add what must hold where it is given";
    report.error(
      node.entries.get("absent")!.key,
      "'absent: ok' belongs into allow rules, beside other words",
      hint,
    );
  }
  const domains = new Set(words.map((word) => WORDS.get(word)?.[0] ?? "any"));
  if (domains.has("number") && (domains.has("text") || domains.has("sized"))) {
    report.error(node, "No value is a number and a text: this can never match", "Use any: [{…}, {…}]");
  }
  checkBounds(node, "min", "max", report);
  checkBounds(node, "min_length", "max_length", report);
  const empty = field(node, "in");
  if (empty !== undefined && scalarsOf(empty).length === 0) {
    report.error(empty, "'in' is empty and can never match");
  }
  for (const [word, { value }] of node.entries) {
    const inside = word === "not" ? opposite(reading) : reading;
    if (word === "not" && value.kind === "map") checkNegation(value, report);
    const nested = value.kind === "list" ? value.items : [value];
    if (word !== "all" && word !== "any" && word !== "not") continue;
    for (const one of nested) if (one.kind === "map") checkSense(one, inside, report);
  }
}

function checkNegation(node: MapNode, report: Report): void {
  for (const word of ["present", "absent"]) {
    const entry = node.entries.get(word);
    if (entry === undefined) continue;
    const other = word === "present" ? "absent" : "present";
    report.error(entry.key, `'not' of '${word}' is not supported`, `Write '${other}: true'`);
  }
}

function checkBounds(node: MapNode, low: string, high: string, report: Report): void {
  const least = scalarsOf(field(node, low))[0]?.value;
  const most = scalarsOf(field(node, high))[0]?.value;
  if (typeof least === "number" && typeof most === "number" && least > most) {
    report.error(field(node, low)!, `'${low}' is larger than '${high}': this can never match`);
  }
}

function describe(node: Node): string {
  if (node.kind === "scalar") return typeof node.value === "string" ? quote(node.value) : String(node.value);
  if (node.kind === "list") return `[${node.items.map(describe).join(", ")}]`;
  return Array.from(node.entries, ([word, { value }]) => {
    return value.kind === "map" ? `${word} {${describe(value)}}` : `${word} ${describe(value)}`;
  }).join(", ");
}
