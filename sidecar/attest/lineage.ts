/**
 * Walks from a process towards pid 1.
 *
 * Says "descends from now", never "was started by": a process can fork first and exec a trusted program in the parent
 * later. Hence the grade `lineage`.
 */
import type { Grade, LineageEnd } from "../model/evidence.ts";
import { monotonicMs } from "../platform/monotonic.ts";
import type { Platform, ProcessHandle } from "../platform/platform.ts";
import { type MeasuredProcess, measureProcess } from "./measure.ts";
import { parseStat, type ProcessStat } from "./process-files.ts";

export interface MeasuredLineage {
  readonly ancestors: readonly MeasuredProcess[];
  readonly end: LineageEnd;
}

const MAX_DEPTH = 16;
/** Sixteen hops take a few milliseconds; on a machine that has stalled, the main thread must not. */
const BUDGET_MS = 200;
const RETRIES = 3;
/** Whom orphans are given to. */
export const INIT = 1;

/**
 * Measures the ancestors of a process, child first, then its parent.
 *
 * It stops before pid 1: an orphan is given to init, whoever its parent was, so "child of pid 1" is evidence of
 * nothing. It stops after the first ancestor of another user, of whom only the account is known. A process that lost its
 * parent meanwhile has none.
 *
 * @param start Stays the caller's.
 */
export function walkLineage(
  platform: Platform,
  start: ProcessHandle,
  uid: number,
  grade: Grade,
): MeasuredLineage {
  const ancestors: MeasuredProcess[] = [];
  const end = climb(platform, start, uid, grade, ancestors);
  // Last, the first link once more: the child may have lost its parent while the parent's parents were read.
  const parent = ancestors[0]?.handle.pid;
  if (parent === undefined || start.isAlive() && readStat(start)?.ppid === parent) return { ancestors, end };
  // Whoever they are, they are not known to be its ancestors.
  for (const ancestor of ancestors) ancestor.close();
  return { ancestors: [], end: "broken" };
}

function climb(
  platform: Platform,
  start: ProcessHandle,
  uid: number,
  grade: Grade,
  ancestors: MeasuredProcess[],
): LineageEnd {
  const deadline = monotonicMs() + BUDGET_MS;
  for (let child = start; ancestors.length < MAX_DEPTH;) {
    if (monotonicMs() > deadline) return "budget";
    const parent = openParent(platform, child);
    if (typeof parent === "string") return parent;
    if (parent.pid === INIT) {
      parent.close();
      return "init";
    }
    const measured = measureProcess(parent, { grade, accountGrade: grade });
    ancestors.push(measured);
    const parentUid = measured.evidence.uid;
    if (!("value" in parentUid)) return "unreadable";
    if (parentUid.value !== uid) return "other-uid";
    child = parent;
  }
  return "depth";
}

/**
 * A handle on the parent of a process, or why there is none.
 *
 * The parent may exit between reading its number and opening it, and the number be given away. So: read, open, and
 * read again; while the child still has that parent, the number was its own when it was opened (systemd's
 * `pidref_set_parent` does the same).
 */
export function openParent(platform: Platform, child: ProcessHandle): ProcessHandle | LineageEnd {
  for (let attempt = 0; attempt < RETRIES; attempt++) {
    const before = readStat(child);
    if (before === undefined) return "unreadable";
    // 0: the parent is outside of our pid namespace.
    if (before.ppid === 0) return child.pid === INIT ? "init" : "unreadable";
    const parent = platform.openProcess(before.ppid);
    if (parent === undefined) continue;
    const verdict = verifyLink(child, parent, before);
    if (verdict === "held") return parent;
    parent.close();
    if (verdict === "broken") return "broken";
  }
  return "broken";
}

function verifyLink(
  child: ProcessHandle,
  parent: ProcessHandle,
  before: ProcessStat,
): "held" | "moved" | "broken" {
  const parentStat = readStat(parent);
  if (readStat(child)?.ppid !== parent.pid || parentStat === undefined || !child.isAlive()) return "moved";
  if (child.told?.isChildOf(parent) === false) return "broken";
  // Nobody is born before his parent; who seems so was given to this one later.
  return parentStat.startTime > before.startTime ? "broken" : "held";
}

function readStat(handle: ProcessHandle): ProcessStat | undefined {
  try {
    return handle.told === undefined ? parseStat(handle.read("stat")) : handle.told.birth();
  } catch {
    // Gone (ESRCH) or hidden: nothing is known of its parent.
    return undefined;
  }
}
