/**
 * One image of one process, by its pid and pidversion: what a pidfd is on Linux, and an exec ends it too. UNTESTED.
 *
 * Trusts: the kernel. Defends against: pid reuse and exec between two questions: every answer counts only when the
 * unique id and the pidversion are the same before and after it, or the kernel itself compared the version. Leaves to
 * others: code put into a genuine image.
 */
import type { ProcessHandle, ToldAccount, ToldProcess } from "../platform.ts";
import {
  CS_OPS_CDHASH,
  CS_OPS_STATUS,
  type DarwinCalls,
  PROC_PIDT_SHORTBSDINFO,
  PROC_PIDUNIQIDENTIFIERINFO,
} from "./calls.ts";
import {
  foreignFileSystem,
  parseShortInfo,
  parseUnique,
  SHORT_INFO_BYTES,
  type ShortInfo,
  STATFS_BYTES,
  tokenOf,
  UNIQUE_BYTES,
  type UniqueInfo,
} from "./structures.ts";

/** PROC_PIDPATHINFO_MAXSIZE of sys/proc_info.h. */
const MAX_PATH = 4096;
const CDHASH_BYTES = 20;
/** Flags of sys/codesign.h: the signature still holds; somebody has taken it for debugging; somebody may. */
const CS_VALID = 0x1;
const CS_GET_TASK_ALLOW = 0x4;
const CS_DEBUGGED = 0x10000000;

/**
 * @param version Which image it must be; undefined takes the one that runs now.
 * @returns Nothing when there is no such process, it is a zombie, or another image.
 */
export function holdProcess(calls: DarwinCalls, pid: number, version?: number): ProcessHandle | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const unique = readUnique(calls, pid);
  if (unique === undefined || version !== undefined && unique.version !== version) return undefined;
  return new DarwinProcess(calls, pid, unique);
}

function readUnique(calls: DarwinCalls, pid: number): UniqueInfo | undefined {
  const bytes = new Uint8Array(UNIQUE_BYTES);
  const length = calls.processInfo(pid, PROC_PIDUNIQIDENTIFIERINFO, bytes);
  return length === UNIQUE_BYTES ? parseUnique(bytes) : undefined;
}

class DarwinProcess implements ProcessHandle, ToldProcess {
  readonly pid: number;
  readonly inode: string;
  readonly told: ToldProcess = this;
  readonly unique: UniqueInfo;
  readonly #calls: DarwinCalls;
  readonly #token: Uint8Array;
  #closed = false;

  constructor(calls: DarwinCalls, pid: number, unique: UniqueInfo) {
    this.#calls = calls;
    this.pid = pid;
    this.unique = unique;
    this.inode = `${unique.uniqueId}.${unique.version >>> 0}`;
    this.#token = tokenOf(pid, unique.version);
  }

  isAlive(): boolean {
    if (this.#closed) return false;
    const now = readUnique(this.#calls, this.pid);
    return now !== undefined && now.uniqueId === this.unique.uniqueId && now.version === this.unique.version;
  }

  account(): ToldAccount {
    const { uids, gids, traced } = this.#short();
    return { uids, gids, refusal: traced ? "traced" : this.#changeable() };
  }

  birth(): { readonly ppid: number; readonly startTime: bigint } {
    return { ppid: this.#short().ppid, startTime: this.unique.uniqueId };
  }

  isChildOf(parent: ProcessHandle): boolean {
    return parent instanceof DarwinProcess && parent.unique.version === this.unique.parentVersion;
  }

  imagePath(): string {
    const bytes = new Uint8Array(MAX_PATH);
    const length = this.#calls.imagePath(this.#token, bytes);
    if (length < 0) throw failure(this.#calls.errno());
    const path = Buffer.from(bytes.subarray(0, length)).toString("utf8").split("\0", 1)[0]!;
    // What is no UTF-8 would lead to another file, or to none.
    if (!path.startsWith("/") || path.includes("\ufffd") || !this.isAlive()) throw failure("ESTALE");
    return path;
  }

  incarnation(): string {
    const hash = new Uint8Array(CDHASH_BYTES);
    const status = this.#calls.codeSigning(this.pid, CS_OPS_CDHASH, hash, this.#token);
    const code = status === 0 ? Buffer.from(hash).toString("hex") : this.#calls.errno();
    if (!this.isAlive()) throw failure("ESRCH");
    return `${this.inode} ${code}`;
  }

  foreignFileSystem(fd: number): string | undefined {
    const bytes = new Uint8Array(STATFS_BYTES);
    if (this.#calls.fileSystem(fd, bytes) < 0) throw failure(this.#calls.errno());
    return foreignFileSystem(bytes);
  }

  read(): never {
    throw failure("ENOTSUP");
  }

  procPath(): never {
    throw failure("ENOTSUP");
  }

  close(): void {
    this.#closed = true;
  }

  #short(): ShortInfo {
    const bytes = new Uint8Array(SHORT_INFO_BYTES);
    const length = this.#calls.processInfo(this.pid, PROC_PIDT_SHORTBSDINFO, bytes);
    if (length < 0) throw failure(this.#calls.errno());
    const info = length === SHORT_INFO_BYTES ? parseShortInfo(bytes) : undefined;
    if (info?.pid !== this.pid) throw failure("EPROTO");
    // The number may have been another process's when it was told.
    if (!this.isAlive()) throw failure("ESRCH");
    return info;
  }

  /** A script's interpreter is as open to its own code as ever: this is about its memory. */
  #changeable(): string | undefined {
    const bytes = new Uint8Array(4);
    if (this.#calls.codeSigning(this.pid, CS_OPS_STATUS, bytes, this.#token) !== 0) {
      return `codesign-unreadable:${this.#calls.errno()}`;
    }
    const flags = new DataView(bytes.buffer).getUint32(0, true);
    if ((flags & CS_DEBUGGED) !== 0) return "debugged";
    if ((flags & CS_GET_TASK_ALLOW) !== 0) return "task-open";
    return (flags & CS_VALID) === 0 ? "codesign-invalid" : undefined;
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`Cannot read a process: ${code}`), { code });
}
