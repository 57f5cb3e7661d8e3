/**
 * Which part of the arguments a matcher speaks of: `path`, `options.path`, `/options/path`, `every(**)`.
 *
 * Keys come from the wire: only own properties are ever read, and an object in which another key could be read in the
 * place of ours is unknown.
 */
import { hasLookAlike } from "./fold.ts";
import { combine, isContainer, type Judge, MISSING, type Reading, type Verdict } from "./verdict.ts";

/** A key; `*` any one key or element; `**` any depth. */
export type Step = string | typeof ANY | typeof DEEP;
export const ANY: unique symbol = Symbol("*");
export const DEEP: unique symbol = Symbol("**");

export interface Selector {
  readonly steps: readonly Step[];
  readonly quantifier: "every" | "some" | undefined;
}

/** @returns a sentence when the text is not a selector. */
export function parseSelector(text: string): Selector | string {
  const quantified = /^(every|some)\(([^]*)\)$/.exec(text);
  const inner = quantified?.[2] ?? text;
  const quantifier = quantified?.[1] as Selector["quantifier"];
  const keys = inner.startsWith("/") ? pointerKeys(inner) : inner.split(".");
  if (keys === undefined) return "'~' in a JSON Pointer must be '~0' or '~1'";
  if (!inner.startsWith("/") && keys.includes("")) return "A dotted path has no empty parts";
  if (inner.startsWith("/")) return { steps: keys, quantifier };
  const steps = keys.map((key): Step => key === "*" ? ANY : key === "**" ? DEEP : key);
  const wildcard = steps.some((step) => typeof step !== "string");
  if (wildcard && quantifier === undefined) return `Say which are meant: every(${inner}) or some(${inner})`;
  if (steps.filter((step) => step === DEEP).length > 1) return "'**' can be used once";
  return { steps, quantifier };
}

function pointerKeys(pointer: string): string[] | undefined {
  const keys = pointer.slice(1).split("/");
  if (keys.some((key) => /~(?![01])/.test(key))) return undefined;
  return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** How many places one selector may visit in one call before the answer is unknown. */
const MAX_VISITS = 20_000;

/** @returns a judge of the whole arguments. */
export function compileSelector(selector: Selector, reading: Reading, judge: Judge): Judge {
  const { steps } = selector;
  const keys = steps.filter((step) => typeof step === "string");
  if (keys.length === steps.length) {
    return keys.reduceRight((next, key) => underKey(key, reading, next), judge);
  }
  return (args) => {
    const walk: Walk = { steps, reading, judge, visits: 0 };
    const result = visit(args, 0, walk) ?? judge(MISSING);
    return walk.visits > MAX_VISITS ? "unknown" : result;
  };
}

/** One step of a path without wildcards. Lists on the way are gone through as the reading says. */
function underKey(key: string, reading: Reading, next: Judge): Judge {
  const index = isIndex(key) ? Number(key) : undefined;
  const judge: Judge = (value) => {
    // Something else where an object should be: some servers parse a text there as JSON.
    if (!isContainer(value)) return value === MISSING ? next(MISSING) : "unknown";
    if (!Array.isArray(value)) {
      if (hasLookAlike(value, key)) return "unknown";
      return next(Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : MISSING);
    }
    if (index !== undefined) return next(index < value.length ? value[index] : MISSING);
    if (value.length === 0) return "unknown";
    let result = judge(value[0]);
    for (let at = 1; at < value.length; at++) result = combine(reading, result, judge(value[at]));
    return result;
  };
  return judge;
}

interface Walk {
  readonly steps: readonly Step[];
  readonly reading: Reading;
  readonly judge: Judge;
  visits: number;
}

/** @returns undefined when the selector finds nothing here. */
function visit(value: unknown, at: number, walk: Walk): Verdict | undefined {
  if (++walk.visits > MAX_VISITS) return "unknown";
  const step = walk.steps[at];
  if (step === undefined) return walk.judge(value);
  if (step === DEEP) {
    return at === walk.steps.length - 1 ? visitLeaves(value, walk) : visitDeep(value, at, walk);
  }
  if (!isContainer(value)) return "unknown";
  if (step === ANY) {
    return visitChildren(
      value,
      (child) => visit(child, at + 1, walk),
      walk,
      at === 0 ? undefined : "unknown",
    );
  }
  if (Array.isArray(value)) {
    if (isIndex(step)) {
      return Number(step) < value.length ? visit(value[Number(step)], at + 1, walk) : walk.judge(MISSING);
    }
    return visitChildren(value, (child) => visit(child, at, walk), walk, "unknown");
  }
  const object = value as Readonly<Record<string, unknown>>;
  if (hasLookAlike(object, step)) return "unknown";
  return Object.hasOwn(object, step) ? visit(object[step], at + 1, walk) : walk.judge(MISSING);
}

/** Every single value at any depth; a list without elements counts as one that cannot be judged. */
function visitLeaves(value: unknown, walk: Walk, depth = 0): Verdict | undefined {
  if (++walk.visits > MAX_VISITS) return "unknown";
  if (!isContainer(value)) return walk.judge(value);
  const nothing = Array.isArray(value) || walk.reading === "strict" && depth > 0 ? "unknown" : undefined;
  return visitChildren(value, (child) => visitLeaves(child, walk, depth + 1), walk, nothing);
}

/** The rest of the selector here and at every depth below, wherever it leads to something. */
function visitDeep(value: unknown, at: number, walk: Walk): Verdict | undefined {
  if (++walk.visits > MAX_VISITS) return "unknown";
  if (!isContainer(value)) return undefined;
  const here = leadsOn(value, walk.steps[at + 1]!) ? visit(value, at + 1, walk) : undefined;
  const below = visitChildren(value, (child) => visitDeep(child, at, walk), walk, undefined);
  if (here === undefined || below === undefined) return here ?? below;
  return combine(walk.reading, here, below);
}

function leadsOn(value: object, step: Step): boolean {
  if (step === ANY) return true;
  if (!Array.isArray(value)) {
    return Object.hasOwn(value, step as string) || hasLookAlike(value, step as string);
  }
  return isIndex(step as string) && Number(step) < value.length;
}

/** The only spelling of an index that is not a key. */
export function isIndex(key: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(key);
}

function visitChildren(
  value: object,
  judge: (child: unknown) => Verdict | undefined,
  walk: Walk,
  nothing: Verdict | undefined,
): Verdict | undefined {
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  if (children.length === 0) return nothing;
  let result: Verdict | undefined;
  for (const child of children) {
    const one = judge(child);
    if (one !== undefined) result = result === undefined ? one : combine(walk.reading, result, one);
  }
  return result;
}
