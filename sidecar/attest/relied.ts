import type { Fact, Grade, Known } from "../model/evidence.ts";

const RELIED: ReadonlySet<Grade> = new Set(["kernel", "immutable", "measured", "lineage"]);

/**
 * Whether a fact may become a selector or part of a name. Neither carries a grade, so what the peer could have
 * written itself (`heuristic`, `claimed`) must not get in.
 */
export function isRelied<T>(fact: Fact<T>): fact is Known<T> {
  return "value" in fact && RELIED.has(fact.grade);
}
