/** Counts what goes into the audit log: the one place that every decision passes. */
import type { AuditEvent, AuditLog, LifecycleEvent, ResultEvent, SessionIdentity } from "./audit-log.ts";

/** Upper bounds of the histogram of answers, in seconds. */
export const DURATION_BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60] as const;

/** What was counted since the guard's start. */
export interface AuditCounts {
  readonly decisions: { allowed: number; denied: number; observed: number };
  readonly results: Map<ResultEvent["outcome"], number>;
  /** For each of the bounds, answers that took at most that long since the bound before; behind them, the rest. */
  readonly durations: number[];
  durationMs: number;
  readonly events: Map<LifecycleEvent["type"], number>;
  /** Refused peers that have a record, by code. */
  readonly refused: Map<string, number>;
  /** Refused peers of a flood, which have none. */
  unrecorded: number;
  /** Times that records could not be written. */
  failures: number;
}

export class CountedLog implements AuditLog {
  readonly counts: AuditCounts = {
    decisions: { allowed: 0, denied: 0, observed: 0 },
    results: new Map(),
    durations: Array.from({ length: DURATION_BOUNDS.length + 1 }, () => 0),
    durationMs: 0,
    events: new Map(),
    refused: new Map(),
    unrecorded: 0,
    failures: 0,
  };
  readonly #log: AuditLog;

  constructor(log: AuditLog) {
    this.#log = log;
  }

  get chain(): string {
    return this.#log.chain;
  }

  get mandatory(): boolean {
    return this.#log.mandatory;
  }

  append(event: AuditEvent): void {
    this.#log.append(event);
    const { counts } = this;
    if (event.type === "decision") {
      if (event.effect === "allow") counts.decisions.allowed++;
      else if (event.observed === true) counts.decisions.observed++;
      else counts.decisions.denied++;
    } else if (event.type === "result") {
      increment(counts.results, event.outcome);
      counts.durations[bucketOf(event.durationMs / 1000)]!++;
      counts.durationMs += event.durationMs;
    } else {
      increment(counts.events, event.type);
      if (event.type === "peer-refused") this.#countRefusal(event.detail);
    }
  }

  flush(): void {
    try {
      this.#log.flush();
    } catch (error) {
      this.counts.failures++;
      throw error;
    }
  }

  identify(session: string, identity: SessionIdentity): void {
    this.#log.identify(session, identity);
  }

  adoptPolicy(digest: string): void {
    this.#log.adoptPolicy(digest);
  }

  forget(session: string): void {
    this.#log.forget(session);
  }

  refusalId(): string {
    return this.#log.refusalId();
  }

  digestArguments(bytes: Uint8Array): string {
    return this.#log.digestArguments(bytes);
  }

  close(reason: string): void {
    this.#log.close(reason);
  }

  #countRefusal({ code, unrecorded }: LifecycleEvent["detail"]): void {
    increment(this.counts.refused, String(code));
    if (typeof unrecorded === "number") this.counts.unrecorded += unrecorded;
  }
}

function bucketOf(seconds: number): number {
  const index = DURATION_BOUNDS.findIndex((bound) => seconds <= bound);
  return index < 0 ? DURATION_BOUNDS.length : index;
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
