/**
 * Reads a file that decides over rights.
 *
 * Trusted: root, and the user that runs the guard. Defended: a policy or a trust file that somebody else could write,
 * replace, or redirect through a link. Left to others: what this same user does to the file.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { GuardError, messageOf } from "../model/errors.ts";

const WRITABLE_BY_OTHERS = 0o022; // With ACLs the group bits are the mask, so they tell of those as well.
const STICKY = 0o1000;
const MAX_LINKS = 40;
/** In bytes. Nothing longer is read, so nothing longer may be written. */
export const MAX_SIZE: number = 1024 * 1024;

/** What is read, as messages call it. */
export type Deciding = "policy" | "trust file" | "secret" | "signing key";

/**
 * The bytes of a regular file that belongs to root or to us, is writable by nobody else, and so are all folders on the
 * way to it, links included. What is checked is what is read: one descriptor, opened once.
 *
 * A sticky folder such as /tmp may lie on the way, where nobody can move what is not theirs; the file itself may not
 * lie directly in one, because a name there can be taken by a hard link to another file of ours.
 *
 * @throws {GuardError} `ERR_POLICY_UNSAFE`, naming what can be changed by whom; `ERR_CONFIG_INVALID` when there is no
 * such file.
 */
export function readSafely(path: string, what: Deciding = "policy"): Buffer {
  return judging(what, () => read(walk(resolve(path), false), what === "signing key"));
}

/**
 * Where such a file is, or would be made: the path with its links resolved, after the same look at every folder and
 * link on the way.
 *
 * @throws {GuardError} as `readSafely` does, but not for a file that is not there yet.
 */
export function placeSafely(path: string, what: Deciding): string {
  return judging(what, () => walk(resolve(path), true));
}

function judging<T>(what: Deciding, judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof Unsafe)) throw error;
    throw new GuardError("ERR_POLICY_UNSAFE", `Cannot trust the ${what}: ${error.message}`);
  }
}

/** The reason alone; who asked says what of. */
class Unsafe extends Error {}

/** @param alone Whether nobody else may even read it. */
function read(real: string, alone: boolean): Buffer {
  const fd = open(real);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Unsafe(`'${real}' is not a regular file`);
    assertOwnAlone(`'${real}'`, stats);
    if (alone && (stats.mode & 0o077) !== 0) {
      throw new Unsafe(`'${real}' can be read by others; 'chmod 600' it`);
    }
    if (stats.size > MAX_SIZE) throw new Unsafe(`'${real}' is larger than a mebibyte`);
    return readAll(fd, real);
  } finally {
    closeSync(fd);
  }
}

// O_NONBLOCK: a FIFO must not hold us up. O_NOFOLLOW: links were followed, and judged, by the walk.
function open(real: string): number {
  try {
    return openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw missing(real, error);
  }
}

/** Bounded by what is read, not by what fstat said: the file may grow meanwhile. */
function readAll(fd: number, real: string): Buffer {
  const bytes = Buffer.alloc(MAX_SIZE + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    length += count;
    if (length > MAX_SIZE) throw new Unsafe(`'${real}' is larger than a mebibyte`);
    if (count === 0) return bytes.subarray(0, length);
  }
}

/**
 * Follows the path as the kernel would, and judges every folder and link it goes through.
 *
 * @param mayBeMissing Whether there has to be something at its end.
 */
function walk(path: string, mayBeMissing: boolean): string {
  let links = 0;
  let at = "/";
  let rest = path.split("/").filter((part) => part !== "");
  assertAncestor("/", lstat("/")!);
  while (rest.length > 0) {
    const [name, ...others] = rest;
    rest = others;
    if (name === "." || name === "") continue;
    if (name === "..") {
      at = dirname(at);
      continue;
    }
    const next = at === "/" ? `/${name}` : `${at}/${name}`;
    const stats = lstat(next, mayBeMissing && rest.length === 0);
    if (stats?.isSymbolicLink()) {
      assertOwner(`the link '${next}'`, stats);
      if (++links > MAX_LINKS) throw new Unsafe(`'${path}' goes through too many links`);
      const target = readlinkSync(next);
      if (target.startsWith("/")) at = "/";
      rest = [...target.split("/").filter((part) => part !== ""), ...rest];
      continue;
    }
    if (stats?.isDirectory()) assertAncestor(next, stats);
    at = next;
  }
  assertOwnAlone(`the folder '${dirname(at)}'`, lstat(dirname(at))!);
  return at;
}

// What is taken out of a sticky folder is judged by its own owner, as the next thing on the way.
function assertAncestor(path: string, stats: Stats): void {
  const judge = (stats.mode & STICKY) !== 0 ? assertOwner : assertOwnAlone;
  judge(`the folder '${path}'`, stats);
}

function assertOwnAlone(what: string, stats: Stats): void {
  assertOwner(what, stats);
  if ((stats.mode & WRITABLE_BY_OTHERS) === 0) return;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  throw new Unsafe(`${what} can be written by others (mode ${mode}); 'chmod go-w' it`);
}

function assertOwner(what: string, stats: Stats): void {
  const own = process.geteuid?.();
  if (own === undefined) throw new GuardError("ERR_PLATFORM_UNSUPPORTED", "Cannot tell who owns a file here");
  if (stats.uid === 0 || stats.uid === own) return;
  throw new Unsafe(`${what} belongs to uid ${stats.uid}, neither root nor uid ${own} that runs the guard`);
}

function lstat(path: string, mayBeMissing = false): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: !mayBeMissing });
  } catch (error) {
    throw missing(path, error);
  }
}

function missing(path: string, cause: unknown): GuardError {
  return new GuardError("ERR_CONFIG_INVALID", `Cannot read '${path}': ${messageOf(cause)}`, { cause });
}

/** Whether reading failed because there is no such file, which some files may be and a policy may not. */
export function isMissing(error: unknown): boolean {
  const cause = error instanceof GuardError ? error.cause : undefined;
  return (cause as { code?: unknown } | undefined)?.code === "ENOENT";
}
