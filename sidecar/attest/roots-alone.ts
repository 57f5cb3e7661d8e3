import { type BigIntStats, lstatSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Whether a file and every folder above it are root's and writable by nobody else.
 *
 * @param path Absolute, as the kernel says it: without links.
 * @param file What is there.
 */
export function isRootsAlone(path: string, file: BigIntStats): boolean {
  try {
    if (!isRootsOnly(file)) return false;
    for (let folder = dirname(path);; folder = dirname(folder)) {
      if (!isRootsOnly(lstatSync(folder, { bigint: true }))) return false;
      if (folder === "/") return true;
    }
  } catch {
    // A folder above it is gone or hidden from us: nothing was shown.
    return false;
  }
}

function isRootsOnly(stat: BigIntStats): boolean {
  return stat.uid === 0n && (stat.mode & 0o022n) === 0n;
}
