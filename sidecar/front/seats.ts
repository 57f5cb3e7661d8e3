/** How many sessions there may be at a time, over all doors of a guard. */
export class Seats {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes one, also for a peer that is still to be admitted. @returns false when none is left. */
  take(): boolean {
    if (this.#taken >= this.#most) return false;
    this.#taken++;
    return true;
  }

  leave(): void {
    this.#taken--;
  }
}
