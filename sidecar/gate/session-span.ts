/**
 * How long a session may last: the policy's `session.idle`, `max_age` and `max_calls`, on the monotonic clock, which
 * nobody can set. It stands still while the machine sleeps: so do the peer and the server.
 */
import type { SessionSection } from "../../policy/mod.ts";
import { monotonicMs } from "../platform/monotonic.ts";

/** Which limit ended a session, or who or what else did; stands in the audit log as it is. */
export type SpanEnd =
  | "idle"
  | "max-age"
  | "max-calls"
  | "policy-changed"
  | "bootstrap-stolen"
  | "ended-by-owner";

/** What the peer is told. */
export const SPAN_SENTENCES: Readonly<Record<SpanEnd, string>> = {
  idle: "The session ended: it was not used for too long",
  "max-age": "The session ended: it has reached its greatest age",
  "max-calls": "The session ended: it has made as many calls as it may",
  "policy-changed": "The session ended: this client is no longer admitted",
  "bootstrap-stolen": "The session ended: somebody else holds the one-time secret, too",
  "ended-by-owner": "The session was ended by the guard's owner",
};

export interface SpanActions {
  /** Whether the server works on something that the peer waits for. */
  readonly working: () => boolean;
  /** Called once for `idle` or `max-age`; nothing follows. */
  readonly over: (end: SpanEnd) => void;
}

/** setTimeout(3) of JavaScript counts in 32 bits: a longer wait would end at once. */
const LONGEST_WAIT_MS = 86_400_000;

type Terms = Pick<SessionSection, "idleMs" | "maxAgeMs" | "maxCalls">;

export class SessionSpan {
  readonly #idleMs: number;
  readonly #maxCalls: number;
  readonly #actions: SpanActions;
  readonly #agesAt: number;
  #usedAt: number;
  #calls = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to count. @param terms Undefined: without end. */
  constructor(terms: Terms | undefined, actions: SpanActions) {
    const now = monotonicMs();
    this.#actions = actions;
    this.#idleMs = terms?.idleMs ?? Infinity;
    this.#maxCalls = terms?.maxCalls ?? Infinity;
    this.#agesAt = now + (terms?.maxAgeMs ?? Infinity);
    this.#usedAt = now;
    this.#wait(now);
  }

  /** The peer asked for something, or was answered. */
  use(at: number): void {
    this.#usedAt = at;
  }

  /** Calls that went on. */
  get calls(): number {
    return this.#calls;
  }

  /** On the monotonic clock. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** One more call is about to go on. @returns false when it may not. */
  takeCall(): boolean {
    if (this.#calls >= this.#maxCalls) return false;
    this.#calls++;
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(now: number): void {
    const until = Math.min(this.#agesAt, this.#usedAt + this.#idleMs);
    if (until === Infinity) return;
    // Rounded up: a timer that fires a moment early would be set again and again.
    const ms = Math.min(Math.ceil(until - now), LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.#look(), ms);
    // A session is kept alive by its streams, never by the wait for its end.
    this.#timer.unref();
  }

  #look(): void {
    const now = monotonicMs();
    if (now >= this.#agesAt) return this.#over("max-age");
    if (now >= this.#usedAt + this.#idleMs) {
      if (!this.#actions.working()) return this.#over("idle");
      this.#usedAt = now;
    }
    this.#wait(now);
  }

  #over(end: SpanEnd): void {
    this.close();
    this.#actions.over(end);
  }
}
