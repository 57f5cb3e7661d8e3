/**
 * One writer at a time for a file, by a link beside it that says who holds it.
 *
 * A symbolic link, since making one is a single step that fails when there is one already: no other process ever sees
 * a lock without its holder, and a crash leaves no half of one. What a dead process left is taken away; what cannot be
 * judged from here (another machine on a network file system, another container) is waited for, and then named.
 *
 * Left to others: the folder is for its owner alone, so that nobody else can make or remove locks in it.
 */
import { lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { uptime } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { GuardError, messageOf } from "../model/errors.ts";

const POLL_MS = 20;
/** A lock to remove a lock may be left behind as well, and so on; nobody crashes that often. */
const MAX_DEPTH = 4;

/**
 * Runs `body` while no other process runs one for the same file.
 *
 * @param waitMs How long to wait for others.
 * @throws {GuardError} `ERR_CONFIG_INVALID` that names the lock when it cannot be had; whatever `body` throws.
 */
export async function withFileLock<T>(file: string, body: () => T, waitMs = 5000): Promise<T> {
  const lock = `${file}.lock`;
  const deadline = performance.now() + waitMs;
  while (!take(lock, 0)) {
    if (performance.now() > deadline) throw held(file, lock);
    await delay(POLL_MS);
  }
  try {
    return body();
  } finally {
    release(lock);
  }
}

/**
 * Takes a lock if it is free, or if its holder is dead.
 *
 * A dead holder's lock is removed only under a further lock. Without that, two processes could find the same dead one,
 * the first remove it and take the lock, and the second remove what is now the first one's.
 */
function take(lock: string, depth: number): boolean {
  if (make(lock)) return true;
  if (depth >= MAX_DEPTH || !isDead(lock)) return false;
  const right = `${lock}.stale`;
  if (!take(right, depth + 1)) return false;
  try {
    // Again, now that nobody else removes locks: it may be a living one's since.
    if (isDead(lock)) remove(lock);
  } finally {
    release(right);
  }
  return make(lock);
}

function make(lock: string): boolean {
  try {
    symlinkSync(ownMark(), lock);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "EEXIST") return false;
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot make the lock '${lock}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function release(lock: string): void {
  // Somebody may have removed ours by hand and another have taken it: that one stays.
  if (markOf(lock) === ownMark()) remove(lock);
}

function remove(lock: string): void {
  // A person may have done it already.
  rmSync(lock, { force: true });
}

let mark: string | undefined;

/** `pid.start.namespace.boot`: a number alone may be another process's by now. */
function ownMark(): string {
  return mark ??= [process.pid, statOf("self")?.start ?? "-", pidNamespace(), bootId()].join(".");
}

function markOf(lock: string): string | undefined {
  try {
    return readlinkSync(lock);
  } catch {
    return undefined; // Released meanwhile, or no link: in either case not a lock that we could judge.
  }
}

function isDead(lock: string): boolean {
  const [pid, start, namespace, boot] = markOf(lock)?.split(".") ?? [];
  if (pid === undefined || !/^[1-9]\d{0,9}$/.test(pid)) return false;
  if (boot !== bootId()) return isFromBeforeBoot(lock);
  return namespace === pidNamespace() && !runs(Number(pid), start);
}

/** Of another boot: of this machine before it, unless it is younger; then it is another machine's. */
function isFromBeforeBoot(lock: string): boolean {
  const made = lstatSync(lock, { throwIfNoEntry: false })?.ctimeMs;
  return made !== undefined && made < Date.now() - uptime() * 1000;
}

function runs(pid: number, start: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as { code?: unknown }).code === "ESRCH") return false;
  }
  const now = statOf(pid);
  // Z, X: it ended, and only its parent has not looked yet.
  return now === undefined || (now.start === start && now.state !== "Z" && now.state !== "X");
}

/** State, and clock ticks between boot and start, of a process (proc(5)); undefined where the system does not tell. */
function statOf(pid: number | "self"): { readonly state?: string; readonly start?: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the last parenthesis: a process chooses its own name.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, start: fields[19]! };
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "-";
  } catch {
    return "-";
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "-";
  }
}

function held(file: string, lock: string): GuardError {
  const pid = /^\d+/.exec(markOf(lock) ?? "")?.[0];
  const who = pid === undefined ? "somebody" : `process ${pid}`;
  return new GuardError(
    "ERR_CONFIG_INVALID",
    `Cannot change '${file}': ${who} holds the lock '${lock}'; if nothing is running there, remove it`,
  );
}
