import { absent, type Fact, known } from "../../model/evidence.ts";
import { errorCode } from "../../platform/native.ts";
import type { ProcessHandle } from "../../platform/platform.ts";

/** A process chooses how long these are: two mebibytes are what execve(2) takes by default. */
const MAX_LENGTH = 4 << 20;

/**
 * The texts of `cmdline` or `environ`, which the process itself can rewrite: `heuristic`.
 *
 * @returns Absent, with the reason, when it cannot be read or is too long to be looked at.
 */
export function readWords(handle: ProcessHandle, name: "cmdline" | "environ"): Fact<readonly string[]> {
  try {
    const text = handle.read(name);
    if (text.length > MAX_LENGTH) return absent(`${name}-too-long`);
    // Each is ended by a NUL; a process that wrote over them may have left none.
    const words = text.split("\0");
    if (words.at(-1) === "") words.pop();
    return known(words, "heuristic");
  } catch (error) {
    return absent(`${name}-unreadable:${errorCode(error)}`);
  }
}
