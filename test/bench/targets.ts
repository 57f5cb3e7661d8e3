/** What the guard is to reach, on one core where a place is said. Changing one is a decision, not a repair. */
import { POLICY, UNDER } from "./subjects.ts";
import type { Row } from "./rows.ts";

export interface Target {
  readonly measure: string;
  readonly subject: string;
  readonly of: "ratio" | "value";
  readonly atMost?: number;
  readonly atLeast?: number;
}

const START = "start to tools/list, tiny server";
const NO_CLIENTS = "guard, no clients";
const NAMED = "guard, executable and script";
const CHECKED = "sender, alive, image";
const STRANGERS = "round trip beside 200 strangers a second";
export const TARGETS: readonly Target[] = [
  { measure: START, subject: POLICY, of: "ratio", atMost: 2.2 },
  { measure: "start to tools/list, server-everything", subject: POLICY, of: "ratio", atMost: 1.1 },
  { measure: "round trip, 1 in flight", subject: POLICY, of: "ratio", atMost: 2.3 },
  { measure: "round trip, 1 in flight", subject: UNDER, of: "ratio", atMost: 2.5 },
  { measure: "calls/s, 256 in flight", subject: POLICY, of: "ratio", atLeast: 0.45 },
  { measure: "pings/s, 256 in flight, not audited", subject: POLICY, of: "ratio", atLeast: 0.6 },
  { measure: "guard's CPU per 10,000 calls, 1 in flight", subject: POLICY, of: "value", atMost: 300 },
  { measure: "guard's CPU per 10,000 calls, 256 in flight", subject: POLICY, of: "value", atMost: 45 },
  { measure: "guard's CPU per 10,000 pings, 256 in flight", subject: POLICY, of: "value", atMost: 25 },
  { measure: "results of 1 MiB", subject: POLICY, of: "ratio", atLeast: 0.35 },
  { measure: "arguments of 1 MiB", subject: POLICY, of: "ratio", atLeast: 0.4 },
  { measure: "idle memory, RSS", subject: POLICY, of: "value", atMost: 48 },
  { measure: "idle memory, own", subject: POLICY, of: "value", atMost: 12 },
  { measure: "memory, server floods a client that does not read", subject: POLICY, of: "value", atMost: 10 },
  { measure: "memory, client floods and does not read", subject: POLICY, of: "value", atMost: 10 },
  { measure: "memory after 100,000 calls, against 1,000", subject: POLICY, of: "value", atMost: 2 },
  { measure: "a call of server-everything", subject: POLICY, of: "ratio", atMost: 1.6 },
  { measure: "a call of server-filesystem", subject: UNDER, of: "ratio", atMost: 1.6 },
  { measure: "admission, executable known", subject: `${NO_CLIENTS}, on top`, of: "value", atMost: 5 },
  { measure: "admission, executable known", subject: `${NAMED}, on top`, of: "value", atMost: 5 },
  { measure: "checks of a frame, by themselves", subject: CHECKED, of: "value", atMost: 10 },
  { measure: "first digest of 100 MB", subject: "until it is there", of: "value", atMost: 150 },
  { measure: "first digest of 100 MB", subject: "longest stall of the main thread", of: "value", atMost: 20 },
  { measure: STRANGERS, subject: "session beside them", of: "ratio", atMost: 1.2 },
  { measure: STRANGERS, subject: "strangers answered", of: "value", atMost: 0 },
  { measure: STRANGERS, subject: "strangers measured or hashed", of: "value", atMost: 0 },
];

export interface Verdict {
  readonly target: string;
  readonly verdict: "ok" | "over";
}

/** Targets hold for medians, and on one core: beside other work the free rows mean little. */
export function verdictOf(row: Row): Verdict | undefined {
  if (row.place === "free") return undefined;
  const target = TARGETS.find((it) => it.measure === row.measure && it.subject === row.subject);
  if (target === undefined) return undefined;
  const { atMost = Infinity, atLeast = -Infinity, of } = target;
  const value = of === "ratio" ? row.ratio?.median ?? NaN : row.value.median;
  const sign = of === "ratio" ? "×" : "";
  const words = target.atMost === undefined ? `≥ ${sign}${atLeast}` : `≤ ${sign}${atMost}`;
  return { target: words, verdict: value <= atMost && value >= atLeast ? "ok" : "over" };
}
