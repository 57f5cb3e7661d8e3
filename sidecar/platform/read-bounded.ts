import { closeSync, openSync, readSync } from "node:fs";

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
      const chunk = Buffer.allocUnsafe(Math.min(total === 0 ? 4096 : 65536, limit + 1));
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      total += length;
      if (total > limit) {
        throw Object.assign(new Error(`Cannot read '${path}': more than ${limit} bytes`), { code: "EFBIG" });
      }
      chunks.push(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
