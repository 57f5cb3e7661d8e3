import { closeSync, openSync, readSync } from "node:fs";

/** Reused: /proc gives some files page by page, and a buffer for each would be mostly air, and work for the collector. */
const page = Buffer.allocUnsafe(65_536);

/**
 * Reads a file of unknown size, such as one in /proc, up to a limit.
 *
 * @throws with `code` as the kernel gave it, or `EFBIG` when there is more than `limit`.
 */
export function readBounded(path: string, limit: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let total = 0;;) {
      const length = readSync(fd, page, 0, Math.min(page.length, limit + 1), null);
      if (length === 0) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      total += length;
      if (total > limit) {
        throw Object.assign(new Error(`Cannot read '${path}': more than ${limit} bytes`), { code: "EFBIG" });
      }
      chunks.push(Buffer.from(page.subarray(0, length)));
    }
  } finally {
    closeSync(fd);
  }
}
