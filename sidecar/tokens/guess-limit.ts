/** Wrong guesses of one process before it is no longer listened to. */
const OF_ONE = 5;
/** Of all together: so many at once, and one more each second. The rightful client is told to try again. */
const AT_ONCE = 60;
const ONE_MORE_MS = 1000;
/** Processes whose guesses are remembered; the one that guessed first is forgotten first. */
const MOST_PROCESSES = 256;

/**
 * Counts wrong guesses. 32 random bytes are not found by guessing: this keeps whoever tries from filling the log, and
 * makes the attempt stand out in it.
 */
export class GuessLimit {
  readonly #now: () => number;
  readonly #byProcess = new Map<string, number>();
  #left = AT_ONCE;
  #countedAt: number;

  /** @param now Monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#countedAt = now();
  }

  allows(process: string): boolean {
    this.#refill();
    return this.#left >= 1 && (this.#byProcess.get(process) ?? 0) < OF_ONE;
  }

  /** One more was wrong. */
  count(process: string): void {
    this.#left--;
    this.#byProcess.set(process, (this.#byProcess.get(process) ?? 0) + 1);
    const [first] = this.#byProcess.keys();
    if (this.#byProcess.size > MOST_PROCESSES && first !== undefined) this.#byProcess.delete(first);
  }

  #refill(): void {
    const now = this.#now();
    this.#left = Math.min(AT_ONCE, this.#left + (now - this.#countedAt) / ONE_MORE_MS);
    this.#countedAt = now;
  }
}
