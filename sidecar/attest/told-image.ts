/**
 * The image a process runs, where the kernel tells its path and there is no /proc to open it through: macOS, UNTESTED.
 *
 * Trusts: the kernel's path of the very file that runs, local file systems. Defends against: renamed, deleted and
 * replaced files, links, another program run meanwhile. Leaves to others: whoever may write to the folder can put
 * another file there for the moment of the opening and bring the first one back before the second look. So what is
 * read here is never more than `lineage`: no one is admitted as `measured` by it.
 */
import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { type Grade, known } from "../model/evidence.ts";
import { errorCode } from "../platform/native.ts";
import type { ProcessHandle, ToldProcess } from "../platform/platform.ts";
import type { Image } from "./image.ts";
import { sameFile } from "./own-view.ts";
import { isRootsAlone } from "./roots-alone.ts";

/** What cannot be tied to each read's sender is capped, whatever was asked for. */
const GRADE_CAP: Readonly<Partial<Record<Grade, Grade>>> = { measured: "lineage", immutable: "lineage" };

/** @returns The image, or the reason why it could not be had. */
export function openToldImage(handle: ProcessHandle, told: ToldProcess, grade: Grade): Image | string {
  let fd: number | undefined;
  try {
    const path = told.imagePath();
    const incarnation = told.incarnation();
    // The kernel's paths have no links in them: one that is there now was put there.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stat = fstatSync(fd, { bigint: true });
    const isCurrent = () => handle.isAlive() && runs(told, { path, incarnation, stat });
    const reason = doubt(told, fd, stat) ?? (isCurrent() ? undefined : "exe-changed");
    if (reason === undefined) return image(fd, path, stat, { isCurrent, grade: GRADE_CAP[grade] ?? grade });
    closeSync(fd);
    return reason;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return `exe-unreadable:${errorCode(error)}`;
  }
}

function doubt(told: ToldProcess, fd: number, stat: BigIntStats): string | undefined {
  if (!stat.isFile()) return "exe-not-a-file";
  const foreign = told.foreignFileSystem(fd);
  return foreign === undefined ? undefined : `exe-untrusted-fs:${foreign}`;
}

function image(
  fd: number,
  path: string,
  stat: BigIntStats,
  { isCurrent, grade }: { readonly isCurrent: () => boolean; readonly grade: Grade },
): Image {
  return {
    fd,
    path: known(path, grade),
    isImmutable: () => isRootsAlone(path, stat),
    isCurrent,
    close: () => closeSync(fd),
  };
}

interface Running {
  readonly path: string;
  readonly incarnation: string;
  readonly stat: BigIntStats;
}

function runs(told: ToldProcess, { path, incarnation, stat }: Running): boolean {
  try {
    const same = sameFile(lstatSync(path, { bigint: true }), stat);
    return same && told.imagePath() === path && told.incarnation() === incarnation;
  } catch {
    // Gone, or no longer told: not proven to be the same, hence not the same.
    return false;
  }
}
