/** What a process has cost so far, as the kernel counts it (proc(5)). */
import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Place } from "./affinity.ts";

/**
 * CPU time of all threads of a process, in milliseconds.
 *
 * From `schedstat`, which counts nanoseconds; `stat` counts in ticks of 10 ms, more than ten thousand calls cost.
 * Threads that have ended are not in it: take differences over stretches in which none ends.
 */
export function cpuMs(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]) / 1e6;
    } catch { /* It ended between the two looks. */ }
  }
  return total;
}

/** The same for a process and everything it started. */
export function familyCpuMs(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + familyCpuMs(child), cpuMs(pid));
}

function childrenOf(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.flatMap((thread) => {
    const list = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").trim();
    return list === "" ? [] : list.split(" ").map(Number);
  });
}

/**
 * How long something takes one core, in milliseconds: the CPU time of this process and of the server's with all that
 * stands between. Where nothing overlaps that is the time on a clock, less what other work on the machine took away.
 * Free of one core it is the clock's time.
 */
export async function timeOf(place: Place, pid: number, act: () => Promise<unknown>): Promise<number> {
  const now = () => place === "one core" ? familyCpuMs(pid) + cpuMs(process.pid) : performance.now();
  const begun = now();
  await act();
  return now() - begun;
}

export interface Memory {
  readonly rssMB: number;
  /** Pages that no other process shares. */
  readonly ownMB: number;
}

/** Resident memory of one process, its children not counted. */
export function memoryOf(pid: number): Memory {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return {
      rssMB: field(rollup, "Rss"),
      ownMB: field(rollup, "Private_Clean") + field(rollup, "Private_Dirty"),
    };
  } catch {
    // The guard is not dumpable: only root may see its maps. Anonymous pages are nearly all that a process owns.
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return { rssMB: field(status, "VmRSS"), ownMB: field(status, "RssAnon") };
  }
}

function field(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text);
  if (found === null) throw new Error(`Cannot read memory: the kernel says no '${name}'`);
  return Number(found[1]) / 1024;
}
