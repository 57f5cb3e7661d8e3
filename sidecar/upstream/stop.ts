/** What the rungs of the ladder act on. */
export interface StopTarget {
  endInput(): void;
  signal(signal: "SIGTERM" | "SIGKILL"): void;
}

/**
 * Stopping is a ladder: end of input, then SIGTERM, then SIGKILL, with a time of grace between two rungs.
 *
 * MCP's own words (stdio, "Shutdown"): close the input, wait, terminate, kill.
 */
export class StopLadder {
  readonly #rungs: (() => void)[];
  readonly #graceMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: StopTarget, graceMs: number) {
    this.#graceMs = graceMs;
    this.#rungs = [
      () => target.endInput(),
      () => target.signal("SIGTERM"),
      () => target.signal("SIGKILL"),
    ];
  }

  /** Takes the next rung now, and those above it each after the time of grace. */
  climb(): void {
    clearTimeout(this.#timer);
    this.#rungs.shift()?.();
    if (!this.isAtTop()) this.#timer = setTimeout(() => this.climb(), this.#graceMs);
  }

  /** For when nobody is left to read the input: SIGTERM, unless that was sent already. */
  climbToTerm(): void {
    if (this.#rungs.length === 3) this.#rungs.shift();
    if (this.#rungs.length === 2) this.climb();
  }

  /** Whether nothing is left to be done. */
  isAtTop(): boolean {
    return this.#rungs.length === 0;
  }

  /** Nobody is left to stop: from now on a climb does nothing. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#rungs.length = 0;
  }
}
