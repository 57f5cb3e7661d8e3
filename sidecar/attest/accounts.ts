import { readBounded } from "../platform/read-bounded.ts";

const MAX_FILE = 4 << 20;

/**
 * The name of a uid or gid in `/etc/passwd` or `/etc/group`, for selectors.
 *
 * @returns undefined when it has none there (it may have one in a directory service, which is not asked), or when the
 * file cannot be read: a missing name is a missing selector, as in SPIRE.
 */
export function accountName(kind: "user" | "group", id: number): string | undefined {
  let text: string;
  try {
    text = readBounded(kind === "user" ? "/etc/passwd" : "/etc/group", MAX_FILE).toString("utf8");
  } catch {
    return undefined;
  }
  for (const line of text.split("\n")) {
    const [name, , number] = line.split(":");
    if (name !== undefined && name !== "" && number === String(id)) return name;
  }
  return undefined;
}
