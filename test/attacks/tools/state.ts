import { readFileSync } from "node:fs";

/**
 * Whether a process or a thread runs, waits or stands still.
 *
 * @param folder Its folder in /proc.
 * @returns One letter, as `ps` shows it: `S` when it waits, `T` when it was stopped.
 */
export function stateOf(folder: string): string | undefined {
  const stat = readFileSync(`${folder}/stat`, "latin1");
  return stat[stat.lastIndexOf(")") + 2];
}
