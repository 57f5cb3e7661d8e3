/** Numbers of the users and groups that a policy names. */
import { readBounded } from "../platform/read-bounded.ts";

const MAX_FILE = 4 << 20;

/**
 * The uid or gid of a name in `/etc/passwd` or `/etc/group`; of a name that stands there twice, the first, as the C
 * library has it.
 *
 * Directory services are not asked: what they say may change, and may be somebody else's to say, between the check of a
 * policy and its use. A policy names such accounts by number.
 *
 * @returns undefined when there is none, or the file cannot be read.
 */
export function accountId(kind: "user" | "group", name: string): number | undefined {
  let text: string;
  try {
    text = readBounded(kind === "user" ? "/etc/passwd" : "/etc/group", MAX_FILE).toString("utf8");
  } catch {
    return undefined; // Told as an error of the policy, where the name stands.
  }
  return findAccount(text, name);
}

/** @param text As passwd(5) and group(5) have it: the name first, its number third. */
export function findAccount(text: string, name: string): number | undefined {
  const [, , number] = text.split("\n").map((line) => line.split(":")).find(([it]) => it === name) ?? [];
  return number !== undefined && /^(0|[1-9][0-9]{0,9})$/.test(number) ? Number(number) : undefined;
}
