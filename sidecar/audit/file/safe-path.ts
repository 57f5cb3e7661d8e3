/**
 * Where an audit log may live.
 *
 * Trusted: root, and the user we run as. Defended: a log that somebody else could replace, cut or redirect through a
 * link. Left to others: what this same user does to the file later (see the anchor), and full disks.
 */
import { lstatSync, mkdirSync, realpathSync, type Stats } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { GuardError, messageOf } from "../../model/errors.ts";

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Where the log of a server is kept unless the policy says: `$XDG_STATE_HOME/mcp-guard/<name>.audit.jsonl`.
 *
 * The home folder is the user database's: HOME is whatever our starter wrote. An XDG_STATE_HOME that is not absolute is
 * ignored, as the XDG Base Directory Specification demands.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` when the name cannot be a file's name.
 */
export function defaultAuditFile(
  name: string,
  stateHome: string | undefined = process.env["XDG_STATE_HOME"],
): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot name an audit log after "${name}": not a plain name`);
  }
  return join(auditFolder(stateHome), `${name}.audit.jsonl`);
}

/** The folder of the logs that no policy placed elsewhere. */
export function auditFolder(stateHome: string | undefined = process.env["XDG_STATE_HOME"]): string {
  const base = stateHome !== undefined && isAbsolute(stateHome)
    ? stateHome
    : join(userInfo().homedir, ".local", "state");
  return join(base, "mcp-guard");
}

/**
 * Makes the file's folder (0700) where it is missing, and proves that nobody else can change what is in it.
 *
 * @returns The file's path with every link of its folder resolved.
 * @throws {GuardError} `ERR_AUDIT_UNWRITABLE`, naming the folder and what is wrong with it.
 */
export function prepareFolder(file: string): string {
  const absolute = resolve(file);
  const folder = realFolder(dirname(absolute));
  const own = lstatSync(folder);
  assertOursAlone(`the folder "${folder}"`, own);
  for (let above = dirname(folder), below = folder; above !== below; below = above, above = dirname(above)) {
    assertSafeAncestor(above, lstatSync(above));
  }
  return join(folder, basename(absolute));
}

function realFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return realpathSync(folder);
  } catch (error) {
    throw new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot use the folder "${folder}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** @throws {GuardError} `ERR_AUDIT_UNWRITABLE` unless only we can write to it. */
export function assertOursAlone(what: string, stats: Stats): void {
  if (stats.uid !== ownUid()) {
    throw unsafe(`${what} belongs to uid ${stats.uid}, not to uid ${ownUid()} that the guard runs as`);
  }
  if ((stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0) {
    throw unsafe(`${what} can be written by others (mode ${octal(stats)}); 'chmod go-w' it`);
  }
}

// Whoever can write to a folder above can put another one in the place of ours. Root may; a sticky folder such as /tmp
// lets nobody move what is not theirs; and many distributions make home folders writable by the user's private group.
function assertSafeAncestor(path: string, stats: Stats): void {
  const what = `the folder "${path}" above it`;
  if (stats.uid !== 0 && stats.uid !== ownUid()) {
    throw unsafe(`${what} belongs to uid ${stats.uid}, who can replace it`);
  }
  if ((stats.mode & STICKY) !== 0) return;
  const byGroup = (stats.mode & GROUP_WRITE) !== 0 && stats.gid !== 0 && stats.gid !== process.getegid?.();
  if (byGroup || (stats.mode & OTHERS_WRITE) !== 0) {
    throw unsafe(`${what} can be written by others (mode ${octal(stats)})`);
  }
}

function unsafe(reason: string): GuardError {
  return new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot keep an audit log: ${reason}`);
}

function ownUid(): number {
  const uid = process.geteuid?.();
  if (uid === undefined) throw new GuardError("ERR_PLATFORM_UNSUPPORTED", "Cannot tell who owns a file here");
  return uid;
}

function octal(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, "0");
}
