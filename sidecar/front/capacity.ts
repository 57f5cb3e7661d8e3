/** How many peers a guard takes, at all of its doors together: sessions at a time, and admissions that wait. */

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
  readonly #maxWaiting: number;
  readonly #waiting = new Map<number, number>();
  #taken = 0;

  /**
   * @param maxSessions Those that wait for admission included. Asked for each peer.
   * @param maxWaiting Of one account that may wait for their admission at a time: each may cost a hash.
   */
  constructor(maxSessions: () => number, maxWaiting: number = MAX_WAITING) {
    this.#maxSessions = maxSessions;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Takes a seat, before anything is awaited: two that come at once cannot have the same one.
   *
   * @returns Why there is no room for one more of this account.
   */
  take(uid: number): Seat | "too-many-admissions" | "too-many-sessions" {
    const waiting = this.#waiting.get(uid) ?? 0;
    if (waiting >= this.#maxWaiting) return "too-many-admissions";
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

  /** A seat for who was admitted already. @returns Undefined when there is none. */
  sit(): Seat | undefined {
    if (this.#taken >= this.#maxSessions()) return undefined;
    this.#taken++;
    return { decided: () => {}, leave: () => void this.#taken-- };
  }

  #decided(uid: number): void {
    const left = (this.#waiting.get(uid) ?? 1) - 1;
    if (left > 0) this.#waiting.set(uid, left);
    else this.#waiting.delete(uid);
  }
}
