/**
 * Which process holds the other end of a pipe. A pipe names nobody; who holds the end that is written to could have sent
 * what we read.
 *
 * Does not show that it did: any process that has the end open could, and every process of the user can open it through
 * /proc. Hence the grade `lineage`, no better.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { ProcessHandle } from "../platform/platform.ts";

/** A process with more descriptors than this is not searched: nothing is shown then. */
const MAX_DESCRIPTORS = 8192;
const ACCESS_MODE = 0o3;
/** The access mode that is not enough to have the end in question; who may both read and write has either. */
const OTHER_END = { write: 0, read: 1 } as const;

/**
 * Whether a process holds this end of a pipe; having the other one open shows nothing.
 *
 * @param identity `dev:ino` of the pipe.
 */
export function holdsEnd(handle: ProcessHandle, end: "read" | "write", identity: string): boolean {
  try {
    const names = readdirSync(handle.procPath("fd"));
    return names.length <= MAX_DESCRIPTORS && names.some((name) => isEnd(handle, name, { end, identity }));
  } catch {
    // Another user's, non-dumpable or gone: not shown to hold it.
    return false;
  }
}

interface Wanted {
  readonly end: "read" | "write";
  readonly identity: string;
}

function isEnd(handle: ProcessHandle, name: string, { end, identity }: Wanted): boolean {
  try {
    const stat = statSync(handle.procPath(`fd/${name}`), { bigint: true });
    if (`${stat.dev}:${stat.ino}` !== identity) return false;
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(handle.procPath(`fdinfo/${name}`), "latin1"));
    return flags !== null && (Number.parseInt(flags[1]!, 8) & ACCESS_MODE) !== OTHER_END[end];
  } catch {
    // Closed meanwhile.
    return false;
  }
}
