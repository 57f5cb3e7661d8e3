/** How many peers a guard takes, at all of its doors together: sessions at a time, and admissions that wait. */

/** Connections of one account that may wait for their admission at a time: each may cost a hash. */
const MAX_WAITING = 16;

/** Room for one peer. */
export interface Seat {
  /** It waits no longer: it was admitted, or it was not. */
  decided(): void;
  /** It is gone. Called once. */
  leave(): void;
}

export class Capacity {
  readonly #maxSessions: () => number;
  readonly #waiting = new Map<number, number>();
  #taken = 0;

  /** @param maxSessions Those that wait for admission included. Asked for each peer. */
  constructor(maxSessions: () => number) {
    this.#maxSessions = maxSessions;
  }

  /**
   * Takes a seat, before anything is awaited: two that come at once cannot have the same one.
   *
   * @returns Why there is no room for one more of this account.
   */
  take(uid: number): Seat | "too-many-admissions" | "too-many-sessions" {
    const waiting = this.#waiting.get(uid) ?? 0;
    if (waiting >= MAX_WAITING) return "too-many-admissions";
    if (this.#taken >= this.#maxSessions()) return "too-many-sessions";
    this.#taken++;
    this.#waiting.set(uid, waiting + 1);
    let decided = false;
    const decide = (): void => {
      if (!decided) this.#decided(uid);
      decided = true;
    };
    return {
      decided: decide,
      leave: () => {
        decide();
        this.#taken--;
      },
    };
  }

  #decided(uid: number): void {
    const left = (this.#waiting.get(uid) ?? 1) - 1;
    if (left > 0) this.#waiting.set(uid, left);
    else this.#waiting.delete(uid);
  }
}
