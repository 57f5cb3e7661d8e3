/** What `naive-guard` recorded: who it takes for its client, and what that client is supposed to have said. */
import { existsSync, readFileSync } from "node:fs";
import { waitUntil } from "../../harness.ts";

export interface NaiveRecord {
  /** Whom SO_PEERCRED names for its stdin; 0 when that is no socket. */
  readonly peer: number;
  readonly parent: number;
}

/** Waits until it has started. */
export async function startOf(file: string): Promise<NaiveRecord> {
  await waitUntil(() => linesOf(file).length > 0);
  return JSON.parse(linesOf(file)[0]!) as NaiveRecord;
}

/** Waits until it has received such a line. */
export async function heard(file: string, what: RegExp): Promise<void> {
  await waitUntil(() => linesOf(file).slice(1).some((line) => what.test(line)));
}

function linesOf(file: string): string[] {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "");
}
