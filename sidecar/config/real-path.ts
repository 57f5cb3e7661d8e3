/** Where a path leads, for the policy's `under`. */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";

const MAX_LINKS = 40;

/**
 * Resolves the links of what exists of an absolute, normalised path, and keeps the rest as it is written.
 *
 * Links of /proc lead each process somewhere else (`/proc/self/cwd`, `/dev/fd/3`): where they would lead the server we
 * cannot see from here.
 *
 * @returns undefined when it cannot be told: a loop, no permission, a file where a folder should be, a link of /proc.
 */
export function realPath(path: string): string | undefined {
  try {
    // One call where there is no link on the way, which is nearly always. /proc's links never resolve to themselves.
    if (realpathSync.native(path) === path) return path;
  } catch {
    // It does not exist as a whole, or cannot be told: the walk finds out which.
  }
  try {
    return walk(path);
  } catch {
    return undefined; // No permission, too long a name: whoever asked must not be allowed on our guess.
  }
}

function walk(path: string): string | undefined {
  let links = 0;
  let at = "";
  let rest = path.split("/").filter((part) => part !== "");
  while (rest.length > 0) {
    const [name, ...others] = rest;
    rest = others;
    if (name === ".") continue;
    if (name === "..") {
      at = at.slice(0, at.lastIndexOf("/"));
      continue;
    }
    const next = `${at}/${name}`;
    const stats = lstatSync(next, { throwIfNoEntry: false });
    if (stats === undefined) return restOf(next, rest);
    if (!stats.isSymbolicLink()) {
      if (rest.length > 0 && !stats.isDirectory()) return undefined;
      at = next;
      continue;
    }
    const target = ++links > MAX_LINKS ? undefined : targetOf(next, stats.size);
    if (target === undefined) return undefined;
    if (target.startsWith("/")) at = "";
    rest = [...target.split("/").filter((part) => part !== ""), ...rest];
  }
  return at === "" ? "/" : at;
}

/** What does not exist stays as it is written, unless a link put a `..` behind it. */
function restOf(missing: string, rest: readonly string[]): string | undefined {
  if (rest.includes("..")) return undefined;
  return [missing, ...rest.filter((part) => part !== ".")].join("/");
}

/** An ordinary link is as long as what it says; those of /proc are not, wherever it is mounted (see proc(5)). */
function targetOf(link: string, size: number): string | undefined {
  const target = readlinkSync(link);
  if (link.startsWith("/proc/") || target.includes("\ufffd")) return undefined;
  return size === Buffer.byteLength(target) ? target : undefined;
}
