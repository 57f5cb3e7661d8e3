/**
 * The structures of XNU that we read: bytes in, values out. Pure. Little-endian, as every Mac that this runs on is.
 *
 * A length that is not exactly the structure's is no answer: the kernel then means something else by it.
 */

/** `struct xucred` of sys/ucred.h: version, uid, a short count, and room for 16 groups; the first is the gid. */
export const XUCRED_BYTES = 76;
const XUCRED_VERSION = 0;
const MAX_GROUPS = 16;

export interface Xucred {
  readonly uid: number;
  readonly gid: number;
}

export function parseXucred(bytes: Uint8Array): Xucred | undefined {
  if (bytes.length !== XUCRED_BYTES) return undefined;
  const view = viewOf(bytes);
  const groups = view.getInt16(8, true);
  if (view.getUint32(0, true) !== XUCRED_VERSION || groups < 1 || groups > MAX_GROUPS) return undefined;
  return { uid: view.getUint32(4, true), gid: view.getUint32(12, true) };
}

/**
 * `audit_token_t` of bsm/audit.h: eight words, called opaque; `audit_token_to_pid(3)` and its like read them in this
 * order: auid, euid, egid, ruid, rgid, pid, session, pidversion.
 */
export const TOKEN_BYTES = 32;

export interface AuditToken {
  readonly euid: number;
  readonly egid: number;
  readonly pid: number;
  /** Given anew by every fork and exec. With the pid it names one image of one process. */
  readonly version: number;
}

export function parseToken(bytes: Uint8Array): AuditToken | undefined {
  if (bytes.length !== TOKEN_BYTES) return undefined;
  const view = viewOf(bytes);
  const pid = view.getInt32(20, true);
  if (pid <= 0) return undefined;
  return {
    euid: view.getUint32(4, true),
    egid: view.getUint32(8, true),
    pid,
    version: view.getInt32(28, true),
  };
}

/** A token that names an image by the two words that XNU's look-ups compare (kern_proc.c, libproc.c). */
export function tokenOf(pid: number, version: number): Uint8Array {
  const bytes = new Uint8Array(TOKEN_BYTES);
  const view = viewOf(bytes);
  view.setInt32(20, pid, true);
  view.setInt32(28, version, true);
  return bytes;
}

/** `struct proc_uniqidentifierinfo` of sys/proc_info_private.h. */
export const UNIQUE_BYTES = 56;

export interface UniqueInfo {
  /** Counts processes since boot; stays over an exec. */
  readonly uniqueId: bigint;
  /** The token's pidversion. */
  readonly version: number;
  /** What the parent's pidversion was at the fork; stays when the process is given to launchd. */
  readonly parentVersion: number;
}

/** @returns undefined also from a kernel that is too old to fill the versions in: it leaves zeroes there. */
export function parseUnique(bytes: Uint8Array): UniqueInfo | undefined {
  if (bytes.length !== UNIQUE_BYTES) return undefined;
  const view = viewOf(bytes);
  const uniqueId = view.getBigUint64(16, true);
  const version = view.getInt32(32, true);
  if (uniqueId === 0n || version === 0) return undefined;
  return { uniqueId, version, parentVersion: view.getInt32(36, true) };
}

/** `struct proc_bsdshortinfo` of sys/proc_info.h: unlike proc_bsdinfo it is told of other users' processes too. */
export const SHORT_INFO_BYTES = 64;
/** PROC_FLAG_TRACED. */
const TRACED = 2;

export interface ShortInfo {
  readonly pid: number;
  readonly ppid: number;
  /** Real, effective, saved. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly traced: boolean;
}

export function parseShortInfo(bytes: Uint8Array): ShortInfo | undefined {
  if (bytes.length !== SHORT_INFO_BYTES) return undefined;
  const view = viewOf(bytes);
  const word = (at: number) => view.getUint32(at, true);
  return {
    pid: word(0),
    ppid: word(4),
    uids: [word(44), word(36), word(52)],
    gids: [word(48), word(40), word(56)],
    traced: (word(32) & TRACED) !== 0,
  };
}

/** `struct statfs` of sys/mount.h with 64-bit inodes. */
export const STATFS_BYTES = 2168;
const MNT_LOCAL = 0x1000;
/** Of whom the bytes are this kernel's own. macFUSE and network file systems have names of their own. */
const LOCAL: ReadonlySet<string> = new Set(["apfs", "hfs"]);

/** @returns The name of a file system that is not local; undefined for one that is. */
export function foreignFileSystem(bytes: Uint8Array): string | undefined {
  if (bytes.length !== STATFS_BYTES) return "malformed";
  const name = Buffer.from(bytes.subarray(72, 88)).toString("latin1").split("\0", 1)[0]!;
  const local = (viewOf(bytes).getUint32(64, true) & MNT_LOCAL) !== 0;
  return local && LOCAL.has(name) ? undefined : name.replace(/[^a-z0-9]/gi, "?") || "unnamed";
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
