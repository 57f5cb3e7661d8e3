/**
 * The image a process runs: opened through the process's own handle, never by a path it could have chosen.
 *
 * Trusts: the kernel, local file systems. Defends against: renamed, deleted and replaced files, memfds, other mount
 * namespaces and roots, FUSE. Leaves to others: code put into a genuine image (ptrace), which no digest shows.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync, statSync } from "node:fs";
import { absent, type Fact, type Grade, known } from "../model/evidence.ts";
import { fileSystemOf, isLocalFileSystem } from "../platform/file-systems.ts";
import { errorCode } from "../platform/native.ts";
import type { ProcessHandle } from "../platform/platform.ts";
import { sameFile, sharesView } from "./own-view.ts";
import { isRootsAlone } from "./roots-alone.ts";

/** A running image that is held open: while it is, its inode number cannot be given to another file. */
export interface Image {
  readonly fd: number;
  readonly path: Fact<string>;
  /** The file and every folder above it are root's and writable by nobody else. */
  isImmutable(): boolean;
  /** Whether the process still runs this very image. */
  isCurrent(): boolean;
  close(): void;
}

/** @returns The image, or the reason why it could not be had. */
export function openImage(handle: ProcessHandle, grade: Grade): Image | string {
  let fd: number;
  try {
    fd = openSync(handle.procPath("exe"), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return `exe-unreadable:${errorCode(error)}`;
  }
  const image = examine(handle, fd, grade);
  if (typeof image === "string") closeSync(fd);
  return image;
}

function examine(handle: ProcessHandle, fd: number, grade: Grade): Image | string {
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) return "exe-not-a-file";
    const fileSystem = fileSystemOf(`/proc/self/fd/${fd}`);
    if (!isLocalFileSystem(fileSystem)) return `exe-untrusted-fs:0x${fileSystem.toString(16)}`;
    const path = imagePath(handle, stat, grade);
    const image: Image = {
      fd,
      path,
      isImmutable: () => "value" in path && isRootsAlone(path.value, stat),
      isCurrent: () => runs(handle, stat),
      close: () => closeSync(fd),
    };
    // An exec between the opening and now would mix the evidence of two images.
    return image.isCurrent() ? image : "exe-changed";
  } catch (error) {
    return `exe-unreadable:${errorCode(error)}`;
  }
}

function runs(handle: ProcessHandle, image: BigIntStats): boolean {
  try {
    const now = statSync(handle.procPath("exe"), { bigint: true });
    return handle.isAlive() && sameFile(now, image);
  } catch {
    // Gone, or no longer ours to read: not proven to be the same, hence not the same.
    return false;
  }
}

/** A path is a fact only when it leads, from where we stand, to the inode that runs. */
function imagePath(handle: ProcessHandle, image: BigIntStats, grade: Grade): Fact<string> {
  // By the link count, not by the text: a file may really be called `x (deleted)`.
  if (image.nlink === 0n) return absent("exe-deleted");
  if (!sharesView(handle, "ns/mnt")) return absent("mount-namespace-other");
  if (!sharesView(handle, "root")) return absent("root-other");
  const path = readlinkSync(handle.procPath("exe"));
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && sameFile(there, image) ? known(path, grade) : absent("exe-moved");
}
