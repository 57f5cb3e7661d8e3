/** The script that an interpreter was given: what the process says of itself, hence `heuristic` and no better. */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, realpathSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { ScriptFacts } from "../../../policy/clients.ts";
import { absent, type Fact, isKnown, known, type RuntimeKind } from "../../model/evidence.ts";
import { DigestError, type Digests } from "../../platform/digests.ts";
import { errorCode } from "../../platform/native.ts";
import type { ProcessHandle } from "../../platform/platform.ts";
import { sharesView } from "../own-view.ts";
import { scriptArgument } from "./script-argument.ts";

/** Hashed at once: starting the thread for it would cost more than ten times the hash. */
const SMALL = 256 * 1024;

/**
 * Its real path and digest. The file is opened once, and both are of what was opened; the interpreter may have read
 * something else before, which no look at it afterwards can tell.
 */
export async function readScript(
  handle: ProcessHandle,
  kind: Fact<RuntimeKind>,
  argv: Fact<readonly string[]>,
  digests: Digests,
): Promise<ScriptFacts> {
  if (!isKnown(kind)) return none(kind.absent);
  if (!isKnown(argv)) return none(argv.absent);
  const argument = scriptArgument(kind.value, argv.value);
  if (typeof argument === "string") return none(argument);
  let fd: number | undefined;
  try {
    if (!sharesView(handle, "ns/mnt") || !sharesView(handle, "root")) return none("mount-namespace-other");
    const { script } = argument;
    const path = realpathSync(
      isAbsolute(script) ? script : join(readlinkSync(handle.procPath("cwd")), script),
    );
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const sha256 = smallDigest(fd) ?? await digests.fileDigest(fd);
    return { path: known(path, "heuristic"), sha256: known(sha256, "heuristic") };
  } catch (error) {
    return none(
      error instanceof DigestError ? `script-${error.reason}` : `script-unreadable:${errorCode(error)}`,
    );
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** @returns Nothing for what is large, or is no regular file: then the thread finds out what it is. */
function smallDigest(fd: number): string | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.size > SMALL) return undefined;
  const bytes = Buffer.alloc(SMALL + 1);
  let length = 0;
  for (let read = 1; read > 0 && length <= SMALL; length += read) {
    read = readSync(fd, bytes, length, bytes.length - length, length);
  }
  // It grew meanwhile.
  return length > SMALL ? undefined : createHash("sha256").update(bytes.subarray(0, length)).digest("hex");
}

function none(reason: string): ScriptFacts {
  return { path: absent(reason), sha256: absent(reason) };
}
