import { readFileSync } from "node:fs";
import { monotonicMs } from "../../platform/monotonic.ts";

/** Both times of a record. */
export interface AuditClock {
  /** What `uptimeMs` counts: `boottime` goes on while the machine sleeps, `monotonic` does not. */
  readonly source: "boottime" | "monotonic";
  /** Milliseconds since the epoch; can be set, and jump. */
  wallMs(): number;
  /** Never goes back, whatever is done to the wall clock. */
  uptimeMs(): number;
}

/** The wall clock may drift this far from the monotonic one before we ask how long the machine slept. */
const DRIFT_MS = 250;

/**
 * CLOCK_BOOTTIME where /proc/uptime gives it, else CLOCK_MONOTONIC.
 *
 * Node reads CLOCK_MONOTONIC, which stands still in suspend. Reading /proc/uptime for each record costs 10 µs; so the
 * distance between the two clocks is kept, and measured again only when the wall clock shows that time went by which
 * the monotonic clock did not see.
 */
export function systemClock(): AuditClock {
  let offset = bootOffset() ?? 0;
  let wallOffset = Date.now() - monotonicMs();
  const source = bootOffset() === undefined ? "monotonic" : "boottime";
  return {
    source,
    wallMs: Date.now,
    uptimeMs() {
      const monotonic = monotonicMs();
      const drift = Date.now() - monotonic - wallOffset;
      if (source === "boottime" && Math.abs(drift) > DRIFT_MS) {
        wallOffset += drift;
        // Never less than before: /proc/uptime is cut to 10 ms, and a record must not seem older than the one before.
        offset = Math.max(offset, bootOffset() ?? offset);
      }
      return Math.floor(monotonic + offset);
    },
  };
}

/** CLOCK_BOOTTIME minus the monotonic clock, in ms; see proc_uptime(5). */
function bootOffset(): number | undefined {
  try {
    const seconds = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    return Number.isFinite(seconds) ? seconds * 1000 - monotonicMs() : undefined;
  } catch {
    // Not Linux, or /proc is not there: the start record then says "monotonic".
    return undefined;
  }
}

/** Formats ISO times; consecutive records mostly share their millisecond. */
export class TimeText {
  #ms = Number.NaN;
  #text = "";

  format(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#text = new Date(ms).toISOString();
    }
    return this.#text;
  }
}
