/** Changes the trust file, so that no reader ever sees half of one and no two writers lose what the other wrote. */
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { GuardError, messageOf } from "../../model/errors.ts";
import { withFileLock } from "../file-lock.ts";
import { MAX_SIZE, placeSafely } from "../safe-file.ts";
import { formatTrust, type TrustEntries } from "./trust-file-format.ts";
import { readTrustFile } from "./trust-file.ts";

/**
 * Reads the file, lets `change` say what it should be, and puts that in its place (0600, in a folder made 0700).
 *
 * After it returns the new file is on the disk; when it throws, or the process dies, the old one is as it was. What is
 * there must be sound already: a file that somebody else could have written is refused, never repaired.
 *
 * @param change Called under the lock. The same map back means that nothing is to be written.
 * @throws {GuardError} as `readTrustFile` does; `ERR_CONFIG_INVALID` when it cannot be written.
 */
export async function changeTrustFile(
  file: string,
  change: (entries: TrustEntries) => TrustEntries,
): Promise<void> {
  makeFolder(dirname(resolve(file)));
  // The link of somebody who keeps such files elsewhere stays a link.
  const real = placeSafely(file, "trust file");
  await withFileLock(real, () => {
    const before = readTrustFile(real);
    const after = change(before);
    if (after !== before) replace(real, encode(after, real));
  });
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function encode(entries: TrustEntries, file: string): Uint8Array {
  const bytes = new TextEncoder().encode(formatTrust(entries));
  // Longer ones are not read, and then nothing would be trusted.
  if (bytes.length <= MAX_SIZE) return bytes;
  throw unwritable(file, new Error("it would be larger than a mebibyte; remove old digests"));
}

/** Under the lock there is one writer, so one name will do, and what a crash left of it is taken away here. */
function replace(real: string, bytes: Uint8Array): void {
  const folder = dirname(real);
  const fresh = join(folder, `.${basename(real)}.new`);
  try {
    rmSync(fresh, { force: true });
    write(fresh, bytes);
    renameSync(fresh, real);
    sync(folder);
  } catch (error) {
    throw unwritable(real, error);
  }
}

function write(path: string, bytes: Uint8Array): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The new name is an entry of the folder: until that is on the disk, a power cut brings back the old file. */
function sync(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unwritable(path: string, cause: unknown): GuardError {
  return new GuardError("ERR_CONFIG_INVALID", `Cannot write '${path}': ${messageOf(cause)}`, { cause });
}
