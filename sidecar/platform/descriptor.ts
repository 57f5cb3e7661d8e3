import { statSync } from "node:fs";
import { isatty } from "node:tty";
import type { Descriptor } from "./platform.ts";
import { errorCode } from "./native.ts";

const KIND_MASK = 0o170000n;
const KINDS = new Map<bigint, "socket" | "pipe" | "file" | "character">([
  [0o140000n, "socket"],
  [0o010000n, "pipe"],
  [0o100000n, "file"],
  [0o020000n, "character"],
]);

/**
 * What is behind a descriptor, by its inode.
 *
 * @param folder `/proc/self/fd` or `/dev/fd`: by path, since Deno's `fstat` refuses descriptors it did not open.
 */
export function describeDescriptor(fd: number, folder: string): Descriptor {
  try {
    const stat = statSync(`${folder}/${fd}`, { bigint: true });
    const identity = `${stat.dev}:${stat.ino}`;
    const kind = KINDS.get(stat.mode & KIND_MASK) ?? "other";
    if (kind !== "character") return { kind, identity };
    if (isatty(fd)) return { kind: "tty", identity };
    return { kind: isNullDevice(stat.rdev) ? "null" : "other", identity };
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "EBADF") {
      return { kind: "closed", identity: "" };
    }
    throw error;
  }
}

function isNullDevice(device: bigint): boolean {
  return device === statSync("/dev/null", { bigint: true }).rdev;
}
