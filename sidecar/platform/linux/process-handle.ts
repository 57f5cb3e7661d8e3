/**
 * A process held by its pidfd, and read through one open `/proc/<pid>` directory.
 *
 * Trusts: the kernel and a /proc that is the kernel's. Defends against: pid reuse between two reads. A pidfd stays with
 * its process for ever, and an open `/proc/<pid>` directory never shows another process that got the same number: its
 * reads fail with ESRCH (Documentation/filesystems/proc.rst, 1.1). Leaves to others: an exec in the process, which
 * changes its image and keeps all of these.
 */
import { constants, readFileSync, statfsSync, statSync } from "node:fs";
import type { ProcessHandle } from "../platform.ts";
import { readBounded } from "../read-bounded.ts";
import type { Calls } from "./calls.ts";

const PIDFS_MAGIC = 0x50494446n;
/** A process can make its own /proc files long (65,530 mappings are about 6 MB). */
const MAX_PROC_FILE = 8 << 20;

/**
 * Takes ownership of a pidfd.
 *
 * @returns Nothing when the process is gone, is not visible in our pid namespace, or is not `expectedPid`.
 */
export function holdProcess(calls: Calls, pidfd: number, expectedPid: number): ProcessHandle | undefined {
  const directory = calls.open(`/proc/${expectedPid}`, constants.O_RDONLY | constants.O_DIRECTORY);
  if (directory < 0) {
    calls.close(pidfd);
    return undefined;
  }
  const handle = new LinuxProcess(calls, pidfd, directory, expectedPid);
  // Only now: while this pidfd still names `expectedPid`, its number was given to nobody else, so the directory that
  // was opened by number before this line is this process's.
  if (pidOfPidfd(pidfd) === expectedPid && handle.isAlive()) return handle;
  handle.close();
  return undefined;
}

/** The pid a pidfd stands for: -1 once reaped, 0 when it lives in a pid namespace that we cannot see. */
export function pidOfPidfd(pidfd: number): number | undefined {
  try {
    const line = /^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"));
    return line === null ? undefined : Number(line[1]);
  } catch {
    // Not a pidfd, or no /proc: unknown, which no caller takes for a match.
    return undefined;
  }
}

class LinuxProcess implements ProcessHandle {
  readonly pid: number;
  readonly inode: string | undefined;
  readonly #calls: Calls;
  readonly #pidfd: number;
  readonly #directory: number;
  #closed = false;

  constructor(calls: Calls, pidfd: number, directory: number, pid: number) {
    this.#calls = calls;
    this.#pidfd = pidfd;
    this.#directory = directory;
    this.pid = pid;
    this.inode = uniqueInode(pidfd);
  }

  isAlive(): boolean {
    // A pidfd becomes readable when its process has exited, also while it is a zombie (pidfd_open(2)).
    return !this.#closed && this.#calls.readable(this.#pidfd) === false;
  }

  read(name: "stat" | "status" | "auxv" | "cmdline" | "environ" | "maps"): string {
    // auxv is binary: as UTF-8 different bytes would become the same replacement character.
    return readBounded(this.procPath(name), MAX_PROC_FILE).toString(name === "auxv" ? "latin1" : "utf8");
  }

  procPath(name: string): string {
    // A closed number may already be another file of ours: reading that under this process's name must not happen.
    if (this.#closed) throw new TypeError("Cannot read a process after its handle was closed");
    return `/proc/self/fd/${this.#directory}/${name}`;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#calls.close(this.#pidfd);
    this.#calls.close(this.#directory);
  }
}

let pidfs: boolean | undefined;

/** Before pidfs (Linux 6.9) all pidfds share one inode, and on 32 bits the number is cut. Then there is no such name. */
function uniqueInode(pidfd: number): string | undefined {
  if (process.arch === "arm" || process.arch === "ia32") return undefined;
  const path = `/proc/self/fd/${pidfd}`;
  try {
    pidfs ??= statfsSync(path, { bigint: true }).type === PIDFS_MAGIC;
    return pidfs ? statSync(path, { bigint: true }).ino.toString() : undefined;
  } catch {
    // No /proc, or no statfs: the inode is an extra name; without it nothing is taken as equal.
    return undefined;
  }
}
