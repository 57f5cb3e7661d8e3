/** What a program's digest says of what it does, as far as its bytes and its name tell. */
import { basename } from "node:path";
import { kindOfName } from "../../../policy/admit/program-names.ts";
import { type Meaning, meaningOf } from "../../../policy/admit/runtime.ts";
import type { RuntimeKind } from "../../../policy/mod.ts";

/** Best first. */
const WORTH: readonly Meaning[] = ["itself", "compiled", "script", "anything"];

/** The kind that a program is to be taken for, and what that means. */
export interface ProgramMeaning {
  readonly kind: RuntimeKind;
  readonly meaning: Meaning;
}

/**
 * Takes a program for the worse of what its bytes say and what a program of its name usually is.
 *
 * `env` and `sudo` look like any other native program from inside. A name never raises anything: it is its owner's to
 * choose, and whoever calls a relay `claude` is told by its bytes or not at all.
 *
 * @param path Where the program lies, where that is known.
 */
export function meaningOfProgram(kind: RuntimeKind, path?: string): ProgramMeaning {
  const own = { kind, meaning: meaningOf(kind) };
  const named = path === undefined ? undefined : kindOfName(basename(path));
  if (named === undefined) return own;
  const other = { kind: named, meaning: meaningOf(named) };
  return WORTH.indexOf(other.meaning) > WORTH.indexOf(own.meaning) ? other : own;
}
