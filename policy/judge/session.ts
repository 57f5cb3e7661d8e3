/** The policy's `session`: how long a session lasts, and how many there may be. */
import type { SessionSection } from "../policy.ts";
import { quote, type Report } from "../text/report.ts";
import { field, mapField, type MapNode, scalarsOf, textField } from "../text/tree.ts";

const DEFAULT_SESSIONS = 64;

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A session that lasts longer is one without an end. */
const LONGEST_MS = 30 * UNITS.d;

export function readSession(root: MapNode, report: Report): SessionSection {
  const session = mapField(root, "session");
  const idleMs = readSpan(session, "idle", report);
  const maxAgeMs = readSpan(session, "max_age", report);
  if (idleMs !== undefined && maxAgeMs !== undefined && idleMs >= maxAgeMs) {
    const hint = "Make it shorter, or remove it";
    report.error(
      field(session, "idle")!,
      "'idle' is not shorter than 'max_age': it could never end a session",
      hint,
    );
  }
  return {
    children: textField(session, "children") === "shared" ? "shared" : "per-client",
    idleMs,
    maxAgeMs,
    maxCalls: readNumber(session, "max_calls"),
    maxSessions: readNumber(session, "max_sessions") ?? DEFAULT_SESSIONS,
  };
}

/** A span of time under a key, in milliseconds. */
export function readSpan(session: MapNode | undefined, key: string, report: Report): number | undefined {
  const text = textField(session, key);
  if (text === undefined) return undefined;
  const [, count, unit] = /^([0-9]+)(ms|s|m|h|d)$/.exec(text)!;
  const ms = Number(count) * UNITS[unit as keyof typeof UNITS];
  if (ms > LONGEST_MS) report.error(field(session, key)!, `${quote(text)} is longer than 30 days`);
  return ms;
}

function readNumber(session: MapNode | undefined, key: string): number | undefined {
  const value = scalarsOf(field(session, key))[0]?.value;
  return typeof value === "number" ? value : undefined;
}
