/**
 * Makes the runtime's own file calls fail, one at a time. The imports of every module see it, since what a builtin
 * module exports can be set anew; Deno has no such thing.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { readlinkSync as imported } from "node:fs";

export const FILE_CALLS = [
  "closeSync",
  "fstatSync",
  "lstatSync",
  "openSync",
  "readFileSync",
  "readSync",
  "readdirSync",
  "readlinkSync",
  "statSync",
  "statfsSync",
] as const;

type Name = (typeof FILE_CALLS)[number];
type Call = (...args: unknown[]) => unknown;
/** What to do in place of a call; undefined lets it be made. */
type Plan = (name: Name, args: readonly unknown[]) => { readonly instead: () => unknown } | undefined;

const table = fs as unknown as Record<Name, Call>;
const originals = new Map(FILE_CALLS.map((name) => [name, table[name]]));

/** Whether modules that have imported a call get the one that is put in its place. */
export function canReplace(): boolean {
  let seen = false;
  replace((name) => {
    seen ||= name === "readlinkSync";
    return undefined;
  });
  try {
    imported("/proc/self/exe");
  } finally {
    restore();
  }
  return seen;
}

/** From here on each call is asked for first. */
export function replace(plan: Plan): void {
  for (const [name, original] of originals) {
    table[name] = (...args) => {
      const outcome = plan(name, args);
      return outcome === undefined ? original.apply(fs, args) : outcome.instead();
    };
  }
  syncBuiltinESMExports();
}

export function restore(): void {
  for (const [name, original] of originals) table[name] = original;
  syncBuiltinESMExports();
}
