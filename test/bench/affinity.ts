/** One core or all of them, for this process and all that it starts. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export type Place = "one core" | "free";

const all = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
const first = /^\d+/.exec(all)?.[0] ?? "0";

/** A thread may end between being listed and being moved: then all are listed again. */
const ATTEMPTS = 5;

/** On one core nothing overlaps: what is measured is work, not luck with the scheduler. @throws when taskset is missing. */
export function moveTo(place: Place): void {
  const list = place === "one core" ? first : all;
  let said = "";
  for (let i = 0; i < ATTEMPTS; i++) {
    // -a: the runtime's own threads too, else they would run beside.
    const { status, stderr, error } = spawnSync("taskset", ["-acp", list, String(process.pid)], {
      encoding: "utf8",
    });
    if (status === 0) return;
    said = error?.message ?? stderr;
  }
  throw new Error(`Cannot use taskset: ${said}`);
}
