import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { GuardError, messageOf } from "../../model/errors.ts";
import { assertOursAlone, prepareFolder } from "./safe-path.ts";

/**
 * A file that only grows, as the audit log uses it. Tests put one with faults in its place; nothing else does.
 *
 * Every method throws as the kernel does: an `Error` with `code`.
 */
export interface AppendFile {
  readonly path: string;
  /** One write(2) at the end of the file. @returns how many bytes the kernel took: fewer when the disk is full. */
  append(bytes: Uint8Array): number;
  /** Bytes in the file now, those of other writers included. */
  size(): number;
  /** Reads at an offset. @returns how many bytes there were. */
  read(into: Uint8Array, offset: number): number;
  /** False once another file, or none, stands at the path: the log was rotated or removed. */
  inPlace(): boolean;
  /** Puts what was written on the disk, and waits for it. */
  sync(): void;
  /** The same without waiting. */
  syncLater(done: (error: Error | null) => void): void;
  close(): void;
}

export type OpenAppendFile = (path: string) => AppendFile;

/**
 * Opens a log for appending, and makes it (0600, in a 0700 folder) where it is missing.
 *
 * O_APPEND: the kernel finds the end and writes there under the inode's lock, so that whole records of several guards
 * stand side by side (local file systems; not NFS, see open(2)). The descriptor is kept: who swaps the path later does
 * not get our records.
 *
 * @throws {GuardError} `ERR_AUDIT_UNWRITABLE` when file or folder belong to somebody else or can be written by others,
 *   when the path is a link or no regular file, or when the kernel refuses.
 */
export function openAppendFile(path: string): AppendFile {
  const real = prepareFolder(path);
  const fd = openRegular(real);
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return {
    path: real,
    append: (bytes) => writeSync(fd, bytes, 0, bytes.length, null),
    size: () => fstatSync(fd).size,
    read: (into, offset) => readSync(fd, into, 0, into.length, offset),
    inPlace() {
      const now = lstatSync(real, { bigint: true, throwIfNoEntry: false });
      return now !== undefined && now.dev === dev && now.ino === ino;
    },
    sync: () => fdatasyncSync(fd),
    syncLater: (done) => fdatasync(fd, done),
    close: () => closeSync(fd),
  };
}

function openRegular(path: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO in its place must not make us wait for a reader.
    fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    const link = (error as NodeJS.ErrnoException).code === "ELOOP" ? "it is a symbolic link: " : "";
    throw new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot open "${path}": ${link}${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot open "${path}": it is not a regular file`);
    }
    assertOursAlone(`"${path}"`, stats);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}
