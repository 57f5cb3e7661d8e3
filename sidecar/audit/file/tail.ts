/**
 * What stands at the two ends of a log that others may be writing to as well.
 */
import { createHash } from "node:crypto";
import { GuardError } from "../../model/errors.ts";
import { MAX_LINE_BYTES, readLine, RECORD_START, sha256Hex } from "../record/seal.ts";
import type { AppendFile } from "./append-file.ts";

/** A piece of a record whose rest was never written. Known by its digest, wherever in the file it stands. */
export interface Fragment {
  readonly bytes: number;
  readonly sha256: string;
}

/** How a file ends that we are about to append to. */
export interface Tail {
  /** Its last line has no newline, so the next record must bring one. */
  readonly unterminated: boolean;
  /** What that line holds, unless it is a whole record. */
  readonly fragment?: Fragment;
}

const NEWLINE = 0x0a;
const LOOKS = 4;
const LOOK_AGAIN_MS = 5;

/** The fragment made of exactly these bytes. */
export function fragmentOf(bytes: Uint8Array): Fragment {
  return { bytes: bytes.length, sha256: sha256Hex(bytes) };
}

/**
 * Finds the broken record that a crash left at the end of a file.
 *
 * Another guard's write may be in flight: on some file systems a reader can see the first pages of it. So we look again
 * for a few milliseconds. Should a write be that slow after all, nothing is lost: the kernel puts our append behind the
 * whole of it, an empty line stands between, and we reported a fragment that is nowhere.
 *
 * @throws {GuardError} `ERR_AUDIT_UNWRITABLE` when the file is not an audit log: we add nothing to other files.
 */
export function inspectTail(file: AppendFile): Tail {
  assertAuditLog(file);
  for (let look = 1; look <= LOOKS; look++) {
    const size = file.size();
    if (size === 0 || byteAt(file, size - 1) === NEWLINE) return { unterminated: false };
    if (look < LOOKS) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  const tail = lastBytes(file, file.size());
  const start = tail.lastIndexOf(NEWLINE) + 1;
  if (start === 0 && tail.length > MAX_LINE_BYTES) {
    throw foreign(file, "its last line is longer than any record");
  }
  return tailOf(tail.subarray(start));
}

function tailOf(lastLine: Buffer): Tail {
  if (lastLine.length === 0) return { unterminated: false };
  const whole = readLine(lastLine)?.intact === true;
  return whole ? { unterminated: true } : { unterminated: true, fragment: fragmentOf(lastLine) };
}

/**
 * A name for the file that moves with it and that every guard writing to it agrees on: the digest of its first line.
 * (Inode numbers are given to the next file once this one is removed.)
 */
export function fileId(file: AppendFile): string {
  const head = Buffer.alloc(MAX_LINE_BYTES + 1);
  const read = file.read(head, 0);
  const end = head.subarray(0, read).indexOf(NEWLINE);
  return fileIdOf(head.subarray(0, end === -1 ? read : end));
}

/** The name of a file that begins with this line. */
export function fileIdOf(firstLine: Uint8Array): string {
  return createHash("sha256").update(firstLine).digest("hex").slice(0, 16);
}

function assertAuditLog(file: AppendFile): void {
  const head = Buffer.alloc(RECORD_START.length);
  const text = head.toString("latin1", 0, file.read(head, 0));
  if (!RECORD_START.startsWith(text) && !text.startsWith("\n")) {
    throw foreign(file, "its first line is not an audit record");
  }
}

function lastBytes(file: AppendFile, size: number): Buffer {
  const bytes = Buffer.alloc(Math.min(size, MAX_LINE_BYTES + 1));
  return bytes.subarray(0, file.read(bytes, size - bytes.length));
}

function byteAt(file: AppendFile, offset: number): number | undefined {
  const byte = Buffer.alloc(1);
  return file.read(byte, offset) === 1 ? byte[0] : undefined;
}

function foreign(file: AppendFile, reason: string): GuardError {
  return new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot append to "${file.path}": ${reason}`);
}
