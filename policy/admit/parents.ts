/** Who started the peer: a pattern over its ancestors, nearest first. */
import type { AdmissionWorld, ProcessFacts } from "../clients.ts";
import { type Grade, lower, reaches } from "../fact.ts";
import { matchProgram, type ProgramPattern } from "./program.ts";
import { cap, differs, type Finding, mismatch, type Worth } from "./worth.ts";

/** `any`: exactly one, whoever it is; `any-number`: zero or more. */
export type ParentStep = "any" | "any-number" | ProgramPattern;

/** No chain is walked further. */
export const MAX_ANCESTORS = 16;

/** How far down the best way of matching the chain so far brings the grade; undefined: there is no way. */
type Best = (Grade | undefined)[];

/**
 * Matches the pattern against the nearest ancestors. What comes behind the last step may be anybody, and so may what
 * lies behind a break of the chain: what was seen before it hangs together.
 *
 * All ways of matching are followed at once, so it takes steps times ancestors, whatever the pattern.
 *
 * @param floor What each ancestor that a step names must reach; others are not looked at.
 * @param most What they are worth at most.
 */
export function matchParents(
  steps: readonly ParentStep[],
  ancestors: readonly ProcessFacts[],
  world: AdmissionWorld,
  { floor, most }: { readonly floor: Grade; readonly most: Worth },
): Finding {
  let tooLow: Worth | undefined;
  const judge = (step: ProgramPattern, ancestor: ProcessFacts): Grade | undefined => {
    const finding = matchProgram(step, ancestor, world);
    if (differs(finding)) return undefined;
    const worth = cap(finding, most.grade, most.lowered ?? "");
    if (reaches(worth.grade, floor)) return worth.grade;
    tooLow ??= worth;
    return undefined;
  };
  let best = skip(steps, ["kernel", ...steps.map(() => undefined)]);
  let result = best[steps.length];
  for (const ancestor of ancestors.slice(0, MAX_ANCESTORS)) {
    best = advance(steps, best, (step) => judge(step, ancestor));
    result = better(result, best[steps.length]);
  }
  if (result !== undefined) return { grade: result };
  if (tooLow === undefined) return mismatch("its parents are others");
  const reason = tooLow.lowered === undefined ? "" : ` (${tooLow.lowered})`;
  return mismatch(`a parent counts as ${tooLow.grade}${reason}, and the entry asks for ${floor}`);
}

/** One ancestor further. */
function advance(
  steps: readonly ParentStep[],
  best: Best,
  judge: (step: ProgramPattern) => Grade | undefined,
): Best {
  const next: Best = Array.from({ length: steps.length + 1 });
  for (const [at, step] of steps.entries()) {
    const here = best[at];
    if (here === undefined) continue;
    if (step === "any-number") next[at] = better(next[at], here);
    else if (step === "any") next[at + 1] = better(next[at + 1], here);
    else {
      const grade = judge(step);
      if (grade !== undefined) next[at + 1] = better(next[at + 1], lower(here, grade));
    }
  }
  return skip(steps, next);
}

/** Where `any-number` stands, the step behind it may begin at once. */
function skip(steps: readonly ParentStep[], best: Best): Best {
  for (const [at, step] of steps.entries()) {
    if (step === "any-number") best[at + 1] = better(best[at + 1], best[at]);
  }
  return best;
}

function better(a: Grade | undefined, b: Grade | undefined): Grade | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return reaches(a, b) ? a : b;
}
