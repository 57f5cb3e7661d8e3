/** Words that a peer's command line must not hold: sub-commands that turn a trusted program into a relay. */
import type { Fact } from "../fact.ts";
import { isKnown } from "../fact.ts";
import { type Finding, mismatch, need, NOTHING_NEEDED } from "./worth.ts";

/**
 * Whether none of the word sequences stands in the command line, behind the program's own name.
 *
 * The command line is the peer's to write, so this keeps accidents out, and only ever refuses: it adds nothing to what
 * the peer is worth.
 */
export function matchArgv(forbidden: readonly (readonly string[])[], argv: Fact<readonly string[]>): Finding {
  if (!isKnown(argv)) return need(argv, "its command line", () => true);
  const found = forbidden.some((words) => holds(argv.value, words, 1));
  return found ? mismatch("its command line holds forbidden words") : NOTHING_NEEDED;
}

/** Whether the words stand in the text one behind the other. */
export function holds(text: readonly string[], words: readonly string[], from: number): boolean {
  for (let at = from; at + words.length <= text.length; at++) {
    if (words.every((word, index) => text[at + index] === word)) return true;
  }
  return false;
}
