/** How many peers a guard takes, at all of its doors together: sessions at a time, and admissions that wait. */

/** Connections of one account that may wait for their admission at a time: each may cost a hash. */
const MAX_WAITING = 16;

export class Capacity {
  readonly #maxSessions: number;
  readonly #waiting = new Map<number, number>();
  #sessions = 0;

  /** @param maxSessions Each has a process of the server. */
  constructor(maxSessions: number) {
    this.#maxSessions = maxSessions;
  }

  /** @returns Why there is no room for one more of this account; undefined when there is. */
  overload(uid: number): "too-many-admissions" | "too-many-sessions" | undefined {
    if ((this.#waiting.get(uid) ?? 0) >= MAX_WAITING) return "too-many-admissions";
    // Who waits may become a session.
    const taken = [...this.#waiting.values()].reduce((sum, waiting) => sum + waiting, this.#sessions);
    return taken >= this.#maxSessions ? "too-many-sessions" : undefined;
  }

  /** Counts an admission of this account while it waits. */
  async admission<T>(uid: number, admit: () => Promise<T>): Promise<T> {
    this.#waiting.set(uid, (this.#waiting.get(uid) ?? 0) + 1);
    try {
      return await admit();
    } finally {
      const left = (this.#waiting.get(uid) ?? 1) - 1;
      if (left > 0) this.#waiting.set(uid, left);
      else this.#waiting.delete(uid);
    }
  }

  /** Counts a session while it lasts. */
  async session<T>(serve: () => Promise<T>): Promise<T> {
    this.#sessions++;
    try {
      return await serve();
    } finally {
      this.#sessions--;
    }
  }
}
