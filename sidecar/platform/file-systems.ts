import { statfsSync } from "node:fs";

/**
 * File systems whose bytes come from this kernel: what is read from them is what was executed.
 *
 * FUSE (also virtiofs, sshfs and AppImages) and network file systems are not among them: their server can hand one
 * content to execve and another to our read (shown in the study behind attestation.md, T7 and A34). statfs(2) has the
 * numbers.
 */
const LOCAL: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x794c7630, "overlay"],
  [0x73717368, "squashfs"],
  [0xe0f5e1e2, "erofs"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
  [0xca451a4e, "bcachefs"],
  [0x3153464a, "jfs"],
  [0x52654973, "reiserfs"],
  [0x9660, "iso9660"],
]);

/** The magic number of the file system that an open descriptor or path is on. @throws as statfs(2) does. */
export function fileSystemOf(path: string): number {
  return Number(BigInt.asUintN(32, statfsSync(path, { bigint: true }).type));
}

export function isLocalFileSystem(magic: number): boolean {
  return LOCAL.has(magic);
}
