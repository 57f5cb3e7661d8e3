import { readdirSync, readFileSync } from "node:fs";

/**
 * The process group of a child that was started as the leader of its own session.
 *
 * A group's number stays taken while any process is in it, also after the leader was reaped; once the group is empty the
 * kernel may give the number to somebody else. So after the reaping nothing is signalled when a process of that number
 * exists: it can only be a stranger. What is left is a stranger that took the number, made a group, and died, between
 * two looks of ours: the kernel would have to hand out every other number in that time.
 *
 * A process that left by setsid(2) is not in the group and is not reached.
 */
export class ProcessGroup {
  readonly #id: number;
  #leaderReaped = false;

  /** @throws {RangeError} for 0, 1 and less: kill(2) takes them for our own group, everybody, or init's. */
  constructor(id: number) {
    if (!Number.isInteger(id) || id <= 1) throw new RangeError(`Cannot signal process group ${id}`);
    this.#id = id;
  }

  get id(): number {
    return this.#id;
  }

  /** To be called as soon as the leader's exit is known. */
  markLeaderReaped(): void {
    this.#leaderReaped = true;
  }

  /** Whether nobody is left in it, zombies aside: those wait for their parent, and no signal reaches them. */
  isEmpty(): boolean {
    if (!this.#leaderReaped) return false;
    if (exists(this.#id) || !exists(-this.#id)) return true;
    return !hasLivingMember(this.#id);
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.isEmpty()) return;
    try {
      process.kill(-this.#id, signal);
    } catch {
      // ESRCH: they left by themselves. EPERM: all of them changed their user, and we may not.
    }
  }
}

/** kill(2) with signal 0. EPERM means that it exists and is not ours. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function hasLivingMember(group: number): boolean {
  let entries: string[];
  try {
    entries = readdirSync("/proc");
  } catch {
    // No /proc: kill(2) said that somebody is there, and that must do.
    return true;
  }
  return entries.some((entry) => /^\d+$/.test(entry) && isLivingMember(entry, group));
}

function isLivingMember(pid: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses is the process's own choice and may hold anything, `)` included (proc_pid_stat(5)).
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(processGroup) === group && state !== "Z" && state !== "X";
  } catch {
    // Gone between the listing and the look.
    return false;
  }
}
