/**
 * Which ancestor writes into a pipe of ours. A pipe names nobody; who holds its write end could have sent what we read.
 *
 * Does not show that it did: any process that has the end open could, and every process of the user can open it through
 * /proc. Hence the grade `lineage`, no better.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { ProcessHandle } from "../platform/platform.ts";

/** A process with more descriptors than this is not searched: nothing is shown then. */
const MAX_DESCRIPTORS = 8192;
const ACCESS_MODE = 0o3;
const READ_ONLY = 0;

/**
 * Whether a process holds the end of this pipe that is written to; having the pipe open for reading shows nothing.
 *
 * @param identity `dev:ino` of the pipe.
 */
export function writesInto(handle: ProcessHandle, identity: string): boolean {
  try {
    const names = readdirSync(handle.procPath("fd"));
    return names.length <= MAX_DESCRIPTORS && names.some((name) => isWriteEnd(handle, name, identity));
  } catch {
    // Another user's, non-dumpable or gone: not shown to hold it.
    return false;
  }
}

function isWriteEnd(handle: ProcessHandle, name: string, identity: string): boolean {
  try {
    const stat = statSync(handle.procPath(`fd/${name}`), { bigint: true });
    if (`${stat.dev}:${stat.ino}` !== identity) return false;
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(handle.procPath(`fdinfo/${name}`), "latin1"));
    return flags !== null && (Number.parseInt(flags[1]!, 8) & ACCESS_MODE) !== READ_ONLY;
  } catch {
    // Closed meanwhile.
    return false;
  }
}
