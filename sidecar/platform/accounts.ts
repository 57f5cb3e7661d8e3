/**
 * Users and groups by name and by number, as `/etc/passwd` and `/etc/group` have them (passwd(5), group(5)).
 *
 * Directory services are not asked: what they say may change, and may be somebody else's to say, between one look and the
 * next.
 */
import { readBounded } from "./read-bounded.ts";

const FILES = { user: "/etc/passwd", group: "/etc/group" } as const;
const MAX_FILE = 4 << 20;

/**
 * The name of a uid or gid, for selectors.
 *
 * @returns undefined when it has none there, or the file cannot be read: a missing name is a missing selector, as in
 * SPIRE.
 */
export function accountName(kind: "user" | "group", id: number): string | undefined {
  return findName(readAccounts(kind), id);
}

/**
 * The uid or gid of a name; of a name that stands there twice, the first, as the C library has it. A policy names other
 * accounts by number.
 *
 * @returns undefined when there is none, or the file cannot be read: told as an error of the policy, where the name stands.
 */
export function accountId(kind: "user" | "group", name: string): number | undefined {
  return findAccount(readAccounts(kind), name);
}

/** @param text Of such a file: the name first, its number third. */
export function findAccount(text: string, name: string): number | undefined {
  const [, , number] = entriesOf(text).find(([it]) => it === name) ?? [];
  return number !== undefined && /^(0|[1-9][0-9]{0,9})$/.test(number) ? Number(number) : undefined;
}

/** The same the other way round, for every peer and ancestor: found without taking the file apart. */
export function findName(text: string, id: number): string | undefined {
  return new RegExp(`(?:^|\\n)([^:\\n]+):[^:\\n]*:${id}(?=[:\\n]|$)`).exec(text)?.[1];
}

function entriesOf(text: string): readonly (readonly string[])[] {
  return text.split("\n").map((line) => line.split(":"));
}

function readAccounts(kind: "user" | "group"): string {
  try {
    return readBounded(FILES[kind], MAX_FILE).toString("utf8");
  } catch {
    return ""; // Nobody is known then.
  }
}
