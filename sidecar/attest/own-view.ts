import { type BigIntStats, statSync } from "node:fs";
import type { ProcessHandle } from "../platform/platform.ts";

type View = "ns/user" | "ns/mnt" | "ns/pid" | "root";

const own = new Map<View, BigIntStats>();

/**
 * Whether a process has our namespace of a kind, or our root folder. We never leave our own, so ours
 * are looked up once.
 *
 * @throws as stat(2) does: `EACCES` for a process that we may not read.
 */
export function sharesView(handle: ProcessHandle, view: View): boolean {
  let ours = own.get(view);
  if (ours === undefined) own.set(view, ours = statSync(`/proc/self/${view}`, { bigint: true }));
  return sameFile(statSync(handle.procPath(view), { bigint: true }), ours);
}

export function sameFile(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
