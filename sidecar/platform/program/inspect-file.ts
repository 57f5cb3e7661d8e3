import type { RuntimeKind } from "../../model/evidence.ts";
import type { ByteSource, Elf } from "./elf.ts";

/** What one reading of a file yields. */
export interface Inspection {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly kind: RuntimeKind;
  /** How many bytes were hashed. */
  readonly bytes: number;
}

/** What the hashing thread has at hand; given, since its source refers to nothing outside of itself. */
export interface Tools {
  fstatSync(fd: number): { readonly size: number };
  readSync(fd: number, buffer: Buffer, offset: number, length: number, position: number | null): number;
  createHash(name: "sha256"): { update(bytes: Buffer): unknown; digest(encoding: "hex"): string };
  readonly ElfReader: new (source: ByteSource) => { read(): Elf | undefined };
  readonly KindFinder: new (elf: Elf | undefined, source: ByteSource) => {
    readonly marks: readonly string[];
    readonly skip: readonly { readonly offset: number; readonly size: number }[];
    kind(found: ReadonlySet<string>): RuntimeKind;
  };
  /** Reused from file to file. */
  readonly buffer: Buffer;
}

/**
 * Reads a file once, to its end: digest and kind are of the same bytes.
 *
 * The tables are read first, by position; whoever could write to the file meanwhile would change its times, and the
 * caller looks at those.
 *
 * @param fd Read from position 0 of an own description: nobody else's offset moves ours.
 * @throws with `code` as the kernel gave it, or `EFBIG` for more than `limit` bytes.
 */
export function inspectFile(fd: number, limit: number, tools: Tools): Inspection {
  const { readSync, buffer } = tools;
  const source: ByteSource = {
    size: tools.fstatSync(fd).size,
    read(offset, length) {
      // NaN and what is no longer exact fail here too.
      if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) return undefined;
      const bytes = Buffer.alloc(length);
      for (let done = 0; done < length;) {
        const read = readSync(fd, bytes, done, length - done, offset + done);
        if (read === 0) return undefined;
        done += read;
      }
      return bytes;
    },
  };
  const finder = new tools.KindFinder(new tools.ElfReader(source).read(), source);
  const missing = new Set(finder.marks);
  const found = new Set<string>();
  const hash = tools.createHash("sha256");
  // A mark may lie across two readings: so much of the last one is kept before the next.
  const overlap = Math.max(0, ...finder.marks.map((mark) => mark.length - 1));
  let bytes = 0;
  for (let kept = 0;;) {
    const length = readSync(fd, buffer, kept, buffer.length - kept, bytes);
    if (length === 0) break;
    bytes += length;
    if (bytes > limit) throw Object.assign(new Error("more bytes than the limit"), { code: "EFBIG" });
    const end = kept + length;
    hash.update(buffer.subarray(kept, end));
    if (!finder.skip.some(({ offset, size }) => bytes - end >= offset && bytes <= offset + size)) {
      const seen = buffer.subarray(0, end);
      for (const mark of missing) {
        if (seen.includes(mark, 0, "latin1") && missing.delete(mark)) found.add(mark);
      }
    }
    kept = Math.min(overlap, end);
    buffer.copyWithin(0, end - kept, end);
  }
  return { sha256: hash.digest("hex"), kind: finder.kind(found), bytes };
}
