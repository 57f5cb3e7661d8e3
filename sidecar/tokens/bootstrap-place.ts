/**
 * Where the bootstrap secret is put: a file that only our own user can read, or an inherited descriptor, which is better,
 * since nobody else can open it.
 */
import { Buffer } from "node:buffer";
import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { GuardError, messageOf } from "../model/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { isPrivate, runtimeFolder } from "../platform/runtime-folder.ts";
import type { BootstrapPlace } from "./bootstrap-secret.ts";

/**
 * The file of a guard whose policy names none: of this process alone, since several guards of one server may run.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` where no private folder can be had.
 */
export function defaultBootstrapFile(
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const folder = runtimeFolder(env);
  if (folder === undefined) throw cannot("there is no runtime folder that is ours alone");
  return join(folder, `${server}.${process.pid}.bootstrap`);
}

/**
 * Makes the file, readable by our own user alone, in a folder that is (mode 0700). What an earlier guard of ours left
 * at the path is replaced: its secret is worth nothing any more.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID`, without the secret.
 */
export function putInFile(path: string, text: string): BootstrapPlace {
  const uid = process.getuid?.();
  if (uid === undefined || !isPrivate(dirname(path), uid)) {
    throw cannot(`the folder of '${path}' is not ours alone; 'chmod 700' it`);
  }
  try {
    return write(path, uid, text);
  } catch (error) {
    throw cannot(messageOf(error));
  }
}

function write(path: string, uid: number, text: string): BootstrapPlace {
  const left = lstatSync(path, { throwIfNoEntry: false });
  if (left !== undefined) {
    if (!left.isFile() || left.uid !== uid) {
      throw new Error(`'${path}' is something else than a file of ours`);
    }
    unlinkSync(path);
  }
  // O_EXCL follows no link and opens nothing that is there.
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  writeSync(fd, `${text}\n`);
  return { remove: () => removeOwn(path, fd) };
}

/**
 * Only the file that was made here: a later guard may have put its own at the path. Ours is held open until then, so that
 * its inode is given to no other.
 */
function removeOwn(path: string, fd: number): void {
  try {
    const made = fstatSync(fd, { bigint: true });
    const found = lstatSync(path, { bigint: true });
    if (found.ino === made.ino && found.dev === made.dev) unlinkSync(path);
  } catch {
    // Somebody took it away already: that is all that is wanted, and what it said is burned.
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes to a pipe or socket that whoever started us holds the other end of, and closes it.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` for anything else: a terminal shows what is written, a file keeps it.
 */
export function putInDescriptor(platform: Platform, fd: number, text: string): BootstrapPlace {
  const { kind } = platform.describe(fd);
  if (kind !== "pipe" && kind !== "socket") {
    throw cannot(`descriptor ${fd} is ${kind === "closed" ? "not open" : `a ${kind}`}, not a pipe or socket`);
  }
  const stream = platform.openStream(fd, "write");
  // Whoever does not read it has no secret; the guard goes on.
  stream.start({ data: () => {}, end: () => {}, error: () => stream.destroy(), drain: () => {} });
  stream.write(Buffer.from(`${text}\n`));
  stream.end();
  return { remove: () => stream.destroy() };
}

function cannot(why: string): GuardError {
  return new GuardError("ERR_CONFIG_INVALID", `Cannot hand over the bootstrap secret: ${why}`);
}
