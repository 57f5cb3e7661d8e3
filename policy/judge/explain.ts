import type { Decision, PolicyRequest } from "../decision.ts";
import { isContainer, MISSING, type Verdict } from "../match/verdict.ts";
import { parseUri } from "../match/uri.ts";
import type { Explanation } from "../policy.ts";
import { quote } from "../text/report.ts";
import type { ListEntry, Section } from "./lists.ts";
import type { PolicyParts } from "./parts.ts";
import { concerns, judgeClient, judgeRule, type Rule } from "./rules.ts";

type Row = Explanation["rules"][number];
type Args = Readonly<Record<string, unknown>>;
type ToolRequest = Extract<PolicyRequest, { kind: "tool" }>;

/** Says of every rule what it made of the request, and why. */
export function explain(parts: PolicyParts, request: PolicyRequest, decision: Decision): Explanation {
  return { decision, rules: rowsFor(parts, request) };
}

function rowsFor(parts: PolicyParts, request: PolicyRequest): readonly Row[] {
  switch (request.kind) {
    case "tool":
      return parts.rules.map((rule) => explainRule(parts.file, rule, request));
    case "resource": {
      const uri = parseUri(request.uri);
      const flaw = uri.kind === "flawed" ? `The URI is not plain: ${uri.flaw}` : undefined;
      return explainSection(parts.file, parts.resources, uri, flaw);
    }
    case "prompt":
      return explainSection(parts.file, parts.prompts, request.name, undefined);
    case "method":
    case "from-server":
      return [];
  }
}

function explainRule(file: string, rule: Rule, request: ToolRequest): Row {
  const { name: tool, args, client } = request;
  const row = { name: rule.name, effect: rule.effect, file, line: rule.place.line };
  if (!concerns(rule, tool)) return { ...row, outcome: "no", because: "It does not name this tool" };
  const outcome = judgeRule(rule, args, client);
  const who = judgeClient(rule, client);
  if (who === "no") return { ...row, outcome, because: "It does not speak of this client" };
  // What the arguments alone rule out needs no client to be known.
  if (who === "yes" || outcome === "no") return { ...row, outcome, because: because(rule, args, outcome) };
  return { ...row, outcome, because: `It speaks of some clients only, and none is given: ${onDoubt(rule)}` };
}

function because(rule: Rule, args: Args | undefined, outcome: Verdict): string {
  if (rule.args === undefined) return "It names this tool and does not look at arguments";
  const value: Args = args === undefined ? {} : args;
  if (!isContainer(value) || Array.isArray(value)) return "The arguments are not an object";
  if (rule.args.covers?.(value) === false) return sayUnnamed(rule, value);
  const telling = rule.args.parts.find((part) => part.judge(value) === outcome) ?? rule.args.parts[0]!;
  if (outcome === "yes") return "Every argument matches";
  const name = quote(telling.text);
  if (outcome === "no") return `${name} does not match ${telling.matcher.says}`;
  const reason = reasonOf(telling.text, value, telling.matcher.why);
  const doubt = reason ?? "wrong type, empty list, or a spelling that can be read in several ways";
  return `${name} cannot be told for certain (${doubt}): ${onDoubt(rule)}`;
}

function onDoubt({ effect }: Rule): string {
  return effect === "allow" ? "not allowed on doubt" : "refused on doubt";
}

/** Only for a plain argument: in a list it would have to say which element. */
function reasonOf(name: string, args: Args, why: (value: unknown) => string | undefined): string | undefined {
  return why(Object.hasOwn(args, name) ? args[name] : MISSING);
}

function sayUnnamed(rule: Rule, args: Args): string {
  const firsts = new Set(rule.args!.parts.map((part) => part.selector.steps[0]));
  const unnamed = Object.keys(args).filter((name) => !firsts.has(name));
  if (unnamed.length === 0) return "An argument holds something that 'args' does not name";
  return `'args' does not name ${
    unnamed.slice(0, 3).map(quote).join(", ")
  }, and 'other_args: allow' is not given`;
}

function explainSection<T>(
  file: string,
  section: Section<T, ListEntry<T>>,
  value: T,
  flaw: string | undefined,
): readonly Row[] {
  const row = (effect: "allow" | "deny", entry: ListEntry<T>, index: number): Row => {
    const outcome = entry.judge(value);
    const name = `${section.name}.${effect}[${index}]`;
    return {
      name,
      effect,
      file,
      line: entry.place.line,
      outcome,
      because: sayEntry(entry.text, outcome, flaw),
    };
  };
  return [
    ...section.deny.map((entry, index) => row("deny", entry, index)),
    ...(section.allow ?? []).map((entry, index) => row("allow", entry, index)),
  ];
}

function sayEntry(text: string, outcome: Verdict, flaw: string | undefined): string {
  if (outcome === "yes") return `It matches ${quote(text)}`;
  if (outcome === "no") return `It does not match ${quote(text)}`;
  return flaw ?? `Whether it matches ${quote(text)} depends on how the server reads it`;
}
