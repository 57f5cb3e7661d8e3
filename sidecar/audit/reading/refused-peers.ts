/**
 * Who was refused lately, from the end of an audit log.
 *
 * Trusted: nothing in the log beyond its shape. Looked at: that nobody else can write the file, and that the records that
 * were read have their hashes and follow each other. Left to `verifyAuditFile`: all that stands before them. Hashes
 * have no key: whoever could write the log could have made all of it up.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../../model/errors.ts";
import { assertOursAlone } from "../file/safe-path.ts";
import { readLine, type SealedLine } from "../record/seal.ts";
import { splitAtRecords } from "./broken-lines.ts";
import { type LoggedRefusal, parseRefusal } from "./logged-refusal.ts";

/** So much of a log's end is read, however long it is: some 700 records. */
export const TAIL_BYTES = 1_048_576;

/** The refusals at the end of one log. */
export interface RefusedPeers {
  readonly file: string;
  /** Bytes of the log before those that were read. */
  readonly unread: number;
  /** Why nothing should be done on this log's word; undefined when what was read holds together. */
  readonly doubt: string | undefined;
  /** Oldest first. */
  readonly refusals: readonly LoggedRefusal[];
}

/**
 * Reads the end of a log, in bounded time and memory. A record that is half written is left out.
 *
 * @returns undefined where there is no such file. What cannot be read is a doubt.
 */
export function readRefusedPeers(file: string): RefusedPeers | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return { file, unread: 0, doubt: messageOf(error), refusals: [] };
  }
  try {
    return readEnd(file, fd);
  } catch (error) {
    return { file, unread: 0, doubt: messageOf(error), refusals: [] };
  } finally {
    closeSync(fd);
  }
}

function readEnd(file: string, fd: number): RefusedPeers {
  const stats = fstatSync(fd);
  if (!stats.isFile()) return { file, unread: 0, doubt: "it is not a regular file", refusals: [] };
  const from = Math.max(0, stats.size - TAIL_BYTES);
  const bytes = readFrom(fd, from, stats.size - from);
  // What comes before the first newline is the end of a record whose beginning was not read.
  const start = from === 0 ? 0 : bytes.indexOf("\n") + 1;
  const end = bytes.lastIndexOf("\n") + 1;
  const tail = new Tail();
  if (start > 0 || from === 0) { for (const line of linesOf(bytes.subarray(start, end))) tail.accept(line); }
  return { file, unread: from + start, doubt: unsafe(file, fd) ?? tail.doubt, refusals: tail.refusals };
}

function readFrom(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const read = readSync(fd, bytes, filled, length - filled, from + filled);
    if (read === 0) break; // It was cut meanwhile.
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let from = 0, end = bytes.indexOf("\n"); end !== -1; from = end + 1, end = bytes.indexOf("\n", from)) {
    if (end > from) yield bytes.subarray(from, end);
  }
}

function unsafe(file: string, fd: number): string | undefined {
  try {
    assertOursAlone("the log", fstatSync(fd));
    assertOursAlone("the log's folder", lstatSync(dirname(resolve(file))));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Follows the chains through what is read of them. */
class Tail {
  readonly #heads = new Map<string, SealedLine>();
  readonly refusals: LoggedRefusal[] = [];
  doubt: string | undefined;

  accept(line: Buffer): void {
    const whole = readLine(line);
    if (whole?.intact === true) return this.#follow(whole, line);
    // One guard's whole record may stand behind what a crash left of another's.
    for (const part of splitAtRecords(line)) {
      const record = readLine(part);
      if (record !== undefined) this.#follow(record, part);
    }
  }

  #follow(record: SealedLine, bytes: Buffer): void {
    const head = this.#heads.get(record.chain);
    this.#heads.set(record.chain, record);
    if (!record.intact) this.doubt ??= "a record does not have the hash it carries";
    else if (head !== undefined && (record.seq !== head.seq + 1 || record.prev !== head.hash)) {
      this.doubt ??= "a record does not follow the one before it";
    }
    if (record.type !== "peer-refused" || !record.intact) return;
    const refusal = parseRefusal(bytes.toString("latin1"));
    if (refusal === undefined) this.doubt ??= "a record of a refusal is not as a guard writes it";
    else this.refusals.push(refusal);
  }
}
