/**
 * What guards do today to learn who asks, kept small and honest: it is what every attack is shown against first.
 *
 * SO_PEERCRED gives a number; /proc/NUMBER/exe a path; the file at that path a digest; `comm` and `cmdline` a name; and
 * PPid the parents. Each step is right about some process. None of them says that it is the one that speaks.
 */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { native } from "../../sidecar/platform/native.ts";

/** What the naive check finds out. `undefined` where the kernel gives it nothing to read. */
export interface Seen {
  readonly pid: number;
  readonly uid: number;
  readonly exe: string | undefined;
  /** Of the file that the path leads to now. */
  readonly sha256: string | undefined;
  readonly comm: string | undefined;
  readonly cmdline: string | undefined;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** Process and account of whoever connected, or made the socketpair. */
export function peerOf(fd: number): { readonly pid: number; readonly uid: number } {
  const getsockopt = native().func("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const [ucred, length] = [new Int32Array(3), new Int32Array([12])];
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) !== 0) {
    throw new Error("Cannot read SO_PEERCRED");
  }
  return { pid: ucred[0] ?? 0, uid: ucred[1] ?? -1 };
}

/** Looks the process up, as it is now. */
export async function look({ pid, uid }: { readonly pid: number; readonly uid: number }): Promise<Seen> {
  const exe = exeOf(pid);
  return {
    pid,
    uid,
    exe,
    sha256: exe === undefined ? undefined : await digestOf(exe),
    comm: attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()),
    cmdline: attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()),
  };
}

/** Where the kernel says its executable lies; also the path of one that is gone. */
export function exeOf(pid: number): string | undefined {
  return attempt(() => readlinkSync(`/proc/${pid}/exe`));
}

/** Its parent, the parent's parent, and so on up to pid 1. */
export function ancestorsOf(pid: number): number[] {
  const found: number[] = [];
  for (let at = parentOf(pid); at > 0; at = parentOf(at)) found.push(at);
  return found;
}

/** Whether some process is called that: the check of guards that look for `claude` in the process list. */
export function processListHas(word: string): boolean {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).some((pid) =>
    ["comm", "cmdline"].some((file) =>
      attempt(() => readFileSync(`/proc/${pid}/${file}`, "utf8"))?.includes(word)
    )
  );
}

/** The digest of a whole file, however large; `undefined` when there is no such file or it may not be read. */
export async function digestOf(path: string, signal?: AbortSignal): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
      hash.update(chunk as Buffer);
    }
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}

function parentOf(pid: number): number {
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "";
  return Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
