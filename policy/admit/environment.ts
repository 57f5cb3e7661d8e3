/** What may have put other code into a process that runs the right file. */
import type { ProcessFacts } from "../clients.ts";
import { isKnown } from "../fact.ts";
import { cap, type Worth } from "./worth.ts";

/** With any of these the linker maps files of the user's choice: whoever lets them be knows of such mappings. */
const LINKER = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"];

/**
 * Caps at `heuristic` what a variable or a mapped file may have changed, unless the entry says that it may.
 *
 * Never refuses by itself: many honest environments carry such variables. Both facts are the peer's to write (a library
 * can clean up behind itself), so that they are empty proves nothing; it only keeps the grade.
 */
export function capEnvironment(worth: Worth, process: ProcessFacts, allowed: ReadonlySet<string>): Worth {
  const { loaders, mappings } = process;
  let result = worth;
  if (!isKnown(loaders)) result = cap(result, "heuristic", "its environment could not be read");
  else if (loaders.value.some((name) => !allowed.has(name))) {
    result = cap(result, "heuristic", "its environment may load code into it");
  }
  if (LINKER.some((name) => allowed.has(name))) return result;
  if (!isKnown(mappings)) return cap(result, "heuristic", "its mappings could not be read");
  return mappings.value.length === 0
    ? result
    : cap(result, "heuristic", "code of the user's is mapped into it");
}
