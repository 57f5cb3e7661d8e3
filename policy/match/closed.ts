/**
 * Closed arguments: whether every argument of a call is named by some selector.
 *
 * Else a rule would check `path` and a call would walk by with `paths`. It holds at every depth: a rule that names
 * `options.path` does not speak of `options.force`.
 */
import { ANY, DEEP, isIndex, type Selector, type Step } from "./selector.ts";
import { isContainer } from "./verdict.ts";

export type Covers = (args: Readonly<Record<string, unknown>>) => boolean;

export function compileCovers(selectors: readonly Selector[]): Covers {
  const paths = selectors.map((selector) => selector.steps);
  if (paths.some((steps) => steps.some((step) => typeof step !== "string"))) {
    return (args) => Object.keys(args).length === 0 || isCovered(args, paths);
  }
  const root = makeBranch(paths as readonly (readonly string[])[]);
  return (args) => {
    for (const name in args) {
      const next = root.keys.get(name);
      if (next === undefined || next !== END && !isCoveredBy(args[name], next)) return false;
    }
    return true;
  };
}

const END = Symbol("end");

/** The keys that selectors without wildcards name at one place. */
interface Branch {
  readonly keys: ReadonlyMap<string, Branch | typeof END>;
  readonly rests: readonly (readonly string[])[];
}

function makeBranch(rests: readonly (readonly string[])[]): Branch {
  const keys = new Map<string, Branch | typeof END>();
  for (const key of new Set(rests.map(([first]) => first!))) {
    const below = rests.filter(([first]) => first === key).map(([, ...rest]) => rest);
    keys.set(key, below.some((rest) => rest.length === 0) ? END : makeBranch(below));
  }
  return { keys, rests };
}

function isCoveredBy(value: unknown, branch: Branch): boolean {
  if (!isContainer(value)) return false;
  if (Array.isArray(value)) return isCovered(value, branch.rests);
  const object = value as Readonly<Record<string, unknown>>;
  let empty = true;
  for (const name in object) {
    empty = false;
    const next = branch.keys.get(name);
    if (next === undefined || next !== END && !isCoveredBy(object[name], next)) return false;
  }
  return !empty;
}

/** @param rests What is left of each selector that has led here. */
function isCovered(value: unknown, rests: readonly (readonly Step[])[]): boolean {
  if (rests.length === 0) return false;
  if (rests.some(isAtEnd)) return true;
  if (!isContainer(value)) return false;
  const children = Object.entries(value);
  if (children.length === 0) return false;
  const inArray = Array.isArray(value);
  return children.every(([key, child]) =>
    isCovered(child, rests.flatMap((rest) => follow(rest, key, inArray)))
  );
}

function isAtEnd(rest: readonly Step[]): boolean {
  return rest.length === 0 || rest.length === 1 && rest[0] === DEEP;
}

/** The ways on from here through one key: `**` may stay, and may have been nothing. */
function follow(rest: readonly Step[], key: string, inArray: boolean): (readonly Step[])[] {
  const [first, ...others] = rest;
  if (first === DEEP) return [rest, ...follow(others, key, inArray)];
  if (first === ANY) return [others];
  if (inArray && !isIndex(first as string)) return [rest];
  return first === key ? [others] : [];
}
