/**
 * Whose task is whose. In the legacy era a task is its session's, in the modern one, which has no sessions, its
 * principal's.
 */
import type { Share } from "./share.ts";

/** Tasks of one owner that are remembered: the oldest is forgotten then, and is nobody's from there on. */
const MOST_TASKS = 1024;
/** Longest id that is remembered. */
const LONGEST_ID = 256;

type Owner = Share | string;

interface Task {
  readonly owner: Owner;
  /** The number under which its progress is told. */
  readonly number: number;
}

export class Tasks {
  readonly #tasks = new Map<string, Task>();
  readonly #counts = new Map<Owner, number>();

  /** @returns The number whose progress ends with this: of a task that was forgotten, or `number` if it is no task. */
  begin(taskId: string | undefined, share: Share, modern: boolean, number: number): number | undefined {
    // A server that names somebody else's task gives it to nobody.
    if (taskId === undefined || taskId.length > LONGEST_ID || this.#tasks.has(taskId)) return number;
    const owner = modern ? share.principal : share;
    this.#tasks.set(taskId, { owner, number });
    const count = (this.#counts.get(owner) ?? 0) + 1;
    this.#counts.set(owner, count);
    return count > MOST_TASKS ? this.#forgetOldest(owner) : undefined;
  }

  owns(share: Share, taskId: string | undefined): boolean {
    const owner = this.#ownerOf(taskId);
    return owner !== undefined && (owner === share || owner === share.principal);
  }

  /** The session that a task belongs to; undefined for one of a principal, and for none. */
  shareOf(taskId: string | undefined): Share | undefined {
    const owner = this.#ownerOf(taskId);
    return typeof owner === "string" ? undefined : owner;
  }

  /** The session is over. @returns Its tasks, which nobody can ask for any more. */
  leave(share: Share): string[] {
    const ids = [...this.#tasks].flatMap(([id, task]) => task.owner === share ? [id] : []);
    for (const id of ids) this.#tasks.delete(id);
    this.#counts.delete(share);
    return ids;
  }

  #ownerOf(taskId: string | undefined): Owner | undefined {
    return taskId === undefined ? undefined : this.#tasks.get(taskId)?.owner;
  }

  #forgetOldest(owner: Owner): number | undefined {
    for (const [id, task] of this.#tasks) {
      if (task.owner !== owner) continue;
      this.#tasks.delete(id);
      this.#counts.set(owner, (this.#counts.get(owner) ?? 1) - 1);
      return task.number;
    }
    return undefined;
  }
}
