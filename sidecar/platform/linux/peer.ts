/**
 * Who is at the other end of a Unix socket, as the kernel pinned it (unix(7)), and processes by their pidfd.
 */
import { absent, type Credentials, type Fact, known } from "../../model/evidence.ts";
import type { ProcessHandle } from "../platform.ts";
import type { Calls } from "./calls.ts";
import { holdProcess } from "./process-handle.ts";
import { SO_PEERCRED, SO_PEERPIDFD } from "./socket-calls.ts";

/** What the kernel reports for a uid or gid that has no number in our user namespace (`/proc/sys/kernel/overflowuid`). */
const OVERFLOW_ID = 65534;

export function peerCredentials(calls: Calls, fd: number): Fact<Credentials> {
  // struct ucred { pid_t pid; uid_t uid; gid_t gid }
  const ucred = calls.socketOption(fd, SO_PEERCRED);
  if (ucred === undefined) return absent(`peercred:${calls.errno()}`);
  const pid = ucred.getInt32(0, true);
  const uid = ucred.getUint32(4, true);
  const gid = ucred.getUint32(8, true);
  // A TCP socket answers pid 0, uid -1; a peer outside our pid namespace has pid 0.
  if (pid <= 0) return absent("peercred:no-pid");
  // Not "nobody": an identity without a number here. Two different strangers would look like one account.
  if (uid === OVERFLOW_ID || uid === 0xffffffff) return absent("peercred:uid-unmapped");
  return known({ pid, uid, gid }, "kernel");
}

export function peerProcess(calls: Calls, fd: number): ProcessHandle | undefined {
  const credentials = peerCredentials(calls, fd);
  if (!("value" in credentials)) return undefined;
  // Never pidfd_open(pid) in its place: the kernel makes this one from the process it pinned, whatever runs under
  // that number now. ENOPROTOOPT before Linux 6.5; ESRCH or a dead pidfd when it was reaped.
  const pidfd = calls.socketOption(fd, SO_PEERPIDFD)?.getInt32(0, true);
  return pidfd === undefined ? undefined : holdProcess(calls, pidfd, credentials.value.pid);
}

export function openProcess(calls: Calls, pid: number): ProcessHandle | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const pidfd = calls.pidfdOpen(pid);
  return pidfd < 0 ? undefined : holdProcess(calls, pidfd, pid);
}
