/**
 * Notices a shared server that hangs: with a process for each session, a client that reconnects gets another one; here it
 * would get the same again and again.
 *
 * Whenever a session leaves with something unanswered the server is pinged. If it then says nothing at all for a while,
 * it is given up, unless somebody else has been waiting since before: a call that takes long is theirs, and no session
 * that leaves may end it.
 */
import type { SharedState } from "./shared-state.ts";

export class HangWatch {
  readonly #state: SharedState;
  readonly #patienceMs: number;
  readonly #hangs: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(state: SharedState, patienceMs: number, hangs: () => void) {
    this.#state = state;
    this.#patienceMs = patienceMs;
    this.#hangs = hangs;
  }

  /** Begins to watch, if it does not yet. The ping has to be flushed. */
  begin(): void {
    if (this.#timer !== undefined) return;
    const state = this.#state;
    const { tick } = state;
    const ping = state.askOwn("ping", "{}");
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (state.tick === tick && !state.asked.waitsSinceBefore(ping)) this.#hangs();
    }, this.#patienceMs);
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
