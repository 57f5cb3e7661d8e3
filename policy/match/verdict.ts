/**
 * Three-valued judgement.
 *
 * `unknown` is what we say of a value that the server might read in another way than we do: of a wrong type, not in
 * its canonical spelling, over budget. Allow rules need `yes`; deny rules fire on `yes` and on `unknown`.
 */
export type Verdict = "yes" | "no" | "unknown";

/**
 * How a matcher is to be read where there are two ways to read it: `strict` in allow rules, `wide` in deny rules, and
 * turned round by `not`. Whatever is in doubt thereby ends in a refusal.
 */
export type Reading = "strict" | "wide";

export function opposite(reading: Reading): Reading {
  return reading === "strict" ? "wide" : "strict";
}

/** Kleene's and. */
export function both(a: Verdict, b: Verdict): Verdict {
  if (a === "no" || b === "no") return "no";
  return a === "yes" && b === "yes" ? "yes" : "unknown";
}

/** Kleene's or. */
export function either(a: Verdict, b: Verdict): Verdict {
  if (a === "yes" || b === "yes") return "yes";
  return a === "no" && b === "no" ? "no" : "unknown";
}

export function negate(verdict: Verdict): Verdict {
  if (verdict === "unknown") return "unknown";
  return verdict === "yes" ? "no" : "yes";
}

/** Of several values: every one for allow rules, some one for deny rules. */
export function combine(reading: Reading, a: Verdict, b: Verdict): Verdict {
  return reading === "strict" ? both(a, b) : either(a, b);
}

/** Stands for an argument that was not given. */
export const MISSING: unique symbol = Symbol("missing");

export type Judge = (value: unknown) => Verdict;

/** Steps that one matcher may take for one value; beyond them it says unknown instead of holding everybody up. */
export const BUDGET = 10_000_000;

/** False for a lone surrogate: parsers replace, drop or keep it, so nobody knows what the server will see. */
export function isWellFormed(text: string): boolean {
  // In every runtime we support, and in no `lib` before ES2024.
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** A JSON object or array, as opposed to the objects that stand for something else (see `InexactNumber`). */
export function isContainer(value: unknown): value is Readonly<Record<string, unknown>> | readonly unknown[] {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
