/** Files that a process has mapped as code, beside its executable and what only root can change. */
import { readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { absent, type Fact, known } from "../../model/evidence.ts";
import { errorCode } from "../../platform/native.ts";
import type { ProcessHandle } from "../../platform/platform.ts";
import { sharesView } from "../own-view.ts";
import { isRootsAlone } from "../roots-alone.ts";

/** Named ones; a process with more is not looked through. */
const MAX_FILES = 4096;

/**
 * Their paths, each once.
 *
 * It finds a preloaded library also when that has taken itself out of the environment. It does not find code that was
 * copied to anonymous memory: runtimes that compile as they go have such memory too.
 *
 * Libraries beside the executable count as its own: they came with it, or whoever put them there could have put
 * another executable there.
 */
export function readMappings(handle: ProcessHandle): Fact<readonly string[]> {
  try {
    // Elsewhere the same path is another file.
    if (!sharesView(handle, "ns/mnt") || !sharesView(handle, "root")) return absent("mount-namespace-other");
    const paths = codePaths(handle.read("maps"));
    if (paths.length > MAX_FILES) return absent("maps-too-long");
    // As the kernel spells it, also when it is gone: both texts are made by the same rule.
    const own = readlinkSync(handle.procPath("exe"));
    return known(paths.filter((path) => path !== own && !belongs(path, own)), "heuristic");
  } catch (error) {
    return absent(`maps-unreadable:${errorCode(error)}`);
  }
}

/** `address perms offset dev inode path` (proc(5)); a newline in a path is written as `\012`. */
function codePaths(maps: string): readonly string[] {
  const paths = new Set<string>();
  for (const line of maps.split("\n")) {
    const match = /^[0-9a-f]+-[0-9a-f]+ ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+ +(\/.*)$/.exec(line);
    if (match !== null) paths.add(match[1]!.replaceAll("\\012", "\n"));
  }
  return [...paths];
}

/** What is gone, or was never a file (memfd), belongs to nobody: its path, marked "(deleted)", leads nowhere. */
function belongs(path: string, executable: string): boolean {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return false;
  return isRootsAlone(path, stat) || dirname(path) === dirname(executable);
}
