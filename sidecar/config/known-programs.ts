/**
 * Digests of the interpreters and relays of this machine, so that `policy check` can say of a digest in a policy that it
 * is no identity.
 *
 * Told from names and by looking along PATH: whoever can change these can keep a warning away, and no more. Admission
 * looks into the program itself.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { basename, delimiter, isAbsolute, join } from "node:path";
import { kindOfName, KNOWN_NAMES } from "../../policy/admit/program-names.ts";
import type { DescribedProgram } from "../../policy/mod.ts";

const FOLDERS = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
/** Where linkers lie: the path stands in every program, so it hardly differs. */
const LOADERS = [
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];
const MAX_SIZE = 512 << 20;

/**
 * Says what a digest is the digest of.
 *
 * The files are read when it is asked for the first time, which takes some tenths of a second: `run` never asks.
 *
 * @param path The environment's `PATH`.
 */
export function openKnownPrograms(
  path: string | undefined,
): (sha256: string) => DescribedProgram | undefined {
  let known: ReadonlyMap<string, DescribedProgram> | undefined;
  return (sha256) => (known ??= hashPrograms(path ?? "")).get(sha256);
}

function hashPrograms(path: string): ReadonlyMap<string, DescribedProgram> {
  const folders = new Set([...path.split(delimiter).filter((it) => isAbsolute(it)), ...FOLDERS]);
  const files = [...folders].flatMap((folder) => KNOWN_NAMES.map((name) => join(folder, name)));
  const known = new Map<string, DescribedProgram>();
  const seen = new Set<string>();
  for (const file of [process.execPath, ...LOADERS, ...files]) {
    const kind = kindOfName(basename(file));
    const sha256 = kind === undefined ? undefined : digestOf(file, seen);
    // The first of its digest: `sh` and `dash` may be one file.
    if (sha256 !== undefined && !known.has(sha256)) known.set(sha256, { kind: kind!, name: file });
  }
  return known;
}

/** @returns undefined for what is not there, cannot be read, or was seen already under another name. */
function digestOf(file: string, seen: Set<string>): string | undefined {
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO that somebody put there must not hold us up.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // Nobody to warn of.
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    const identity = `${stat.dev}:${stat.ino}`;
    if (!stat.isFile() || stat.size > MAX_SIZE || seen.has(identity)) return undefined;
    seen.add(identity);
    return hash(fd);
  } catch {
    return undefined; // It changed, or its disk fails: then it is not what somebody copied a digest of.
  } finally {
    closeSync(fd);
  }
}

function hash(fd: number): string {
  const sum = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let total = 0; total <= MAX_SIZE;) {
    const length = readSync(fd, buffer, 0, buffer.length, null);
    if (length === 0) return sum.digest("hex");
    sum.update(buffer.subarray(0, length));
    total += length;
  }
  throw new RangeError("The file is longer than it was");
}
