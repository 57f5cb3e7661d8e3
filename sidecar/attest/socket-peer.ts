/** Holds the process at the other end of a socket: steps 2 to 4 of the order of verification. */
import { type Absent, absent, type Credentials, type Fact } from "../model/evidence.ts";
import type { Platform, ProcessHandle } from "../platform/platform.ts";

/**
 * A handle on the process that the kernel pinned.
 *
 * Never by number where the kernel gives a pidfd: the number may be another process's by now. Before Linux 6.5 it gives
 * none; then (and on no other system) it is who has the number, held from here on, and what makes it the right one is that only its bytes are
 * taken after it was measured (a number is not given away while its process is held).
 */
export function holdSocketPeer(platform: Platform, fd: number, pid: number): ProcessHandle | Absent {
  const handle = platform.peerProcess(fd) ??
    (platform.name !== "linux" || knowsPeerPidfd(platform) ? undefined : platform.openProcess(pid));
  return handle ?? absent("peer-gone");
}

const pidfdKnown = new WeakMap<Platform, boolean>();

/** Asked of a pair of our own, so that "the kernel cannot" is not mistaken for "that process is gone". */
function knowsPeerPidfd(platform: Platform): boolean {
  let known = pidfdKnown.get(platform);
  if (known === undefined) {
    const pair = platform.socketPair();
    const self = platform.peerProcess(pair[0]);
    self?.close();
    for (const fd of pair) platform.closeDescriptor(fd);
    pidfdKnown.set(platform, known = self !== undefined);
  }
  return known;
}

/** Both handles are held and alive, so one number means one process also where there is no inode. */
export function sameProcess(a: ProcessHandle, b: ProcessHandle): boolean {
  return a.pid === b.pid && a.inode === b.inode && a.isAlive() && b.isAlive();
}

/** Whether two sockets were made by one account. */
export function sameAccount(a: Fact<Credentials>, b: Fact<Credentials>): boolean {
  return "value" in a && "value" in b && a.value.uid === b.value.uid && a.value.gid === b.value.gid;
}
