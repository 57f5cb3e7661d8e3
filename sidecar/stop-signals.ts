const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Signals that ask us to stop, also those that come before there is anything to stop. Heard from when it is made: a
 * signal's default would end us and leave the server behind.
 */
export class StopSignals {
  #pending = 0;
  #stop: (() => void) | undefined;

  /** @param signals @default {SIGINT, SIGTERM, SIGHUP} */
  constructor(signals: readonly NodeJS.Signals[] = STOP_SIGNALS) {
    for (const signal of signals) process.on(signal, () => this.#heard());
  }

  /** Who is told from now on, once for each signal; those that nobody was told of come at once. */
  tell(stop: () => void): void {
    this.#stop = stop;
    for (; this.#pending > 0; this.#pending--) stop();
  }

  #heard(): void {
    if (this.#stop === undefined) this.#pending++;
    else this.#stop();
  }
}
