/**
 * Linux: credentials by SO_PEERCRED and SO_PEERPIDFD, processes by pidfd (unix(7), socket(7), pidfd_open(2)).
 */
import { constants } from "node:fs";
import { GuardError } from "../model/errors.ts";
import { absent, type Credentials, type Fact, known } from "../model/evidence.ts";
import { describeDescriptor } from "./descriptor.ts";
import { calls, FIONREAD, SIOCOUTQ, SO_PEERCRED, SO_PEERPIDFD } from "./linux/calls.ts";
import { holdProcess } from "./linux/process-handle.ts";
import type { ByteStream, Platform, ProcessHandle, StreamDirection } from "./platform.ts";
import { openDescriptorStream, withoutSenders } from "./stream.ts";

/** What the kernel reports for a uid or gid that has no number in our user namespace (`/proc/sys/kernel/overflowuid`). */
const OVERFLOW_ID = 65534;

export function openLinux(): Platform {
  return {
    name: "linux",
    hardenSelf,
    describe: (fd) => describeDescriptor(fd, "/proc/self/fd"),
    peerCredentials,
    peerGroups: () => absent("not-gathered"),
    peerLabel: () => absent("not-gathered"),
    peerProcess,
    openProcess,
    openStream,
    openPeerStream: (fd, direction) => withoutSenders(openStream(fd, direction)),
    socketPair,
    pipe,
    reopenForWriting,
    closeDescriptor: (fd) => void calls().close(fd),
    unreadBytes,
  };
}

/**
 * Non-dumpable: no ptrace, no `pidfd_getfd`, no /proc/<pid>/mem or /fd for other processes of our user (prctl(2)).
 * An exec undoes it, so children are as they always were.
 */
const SIGUSR1 = 10;

function hardenSelf(): void {
  const { setDumpable, ignoreSignal, errno } = calls();
  // Deno opens its inspector on this signal beside any listener of ours (from 2.9.2 on); what the kernel ignores it
  // never sees. Node gives the signal to our listener, see wrappers/cli.ts.
  if ("Deno" in globalThis) ignoreSignal(SIGUSR1);
  if (setDumpable(false) !== 0) {
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make the guard non-dumpable: ${errno()}`);
  }
}

function peerCredentials(fd: number): Fact<Credentials> {
  const { socketOption, errno } = calls();
  // struct ucred { pid_t pid; uid_t uid; gid_t gid }
  const ucred = socketOption(fd, SO_PEERCRED);
  if (ucred === undefined) return absent(`peercred:${errno()}`);
  const pid = ucred.getInt32(0, true);
  const uid = ucred.getUint32(4, true);
  const gid = ucred.getUint32(8, true);
  // A TCP socket answers pid 0, uid -1; a peer outside our pid namespace has pid 0.
  if (pid <= 0) return absent("peercred:no-pid");
  // Not "nobody": an identity without a number here. Two different strangers would look like one account.
  if (uid === OVERFLOW_ID || uid === 0xffffffff) return absent("peercred:uid-unmapped");
  return known({ pid, uid, gid }, "kernel");
}

function peerProcess(fd: number): ProcessHandle | undefined {
  const credentials = peerCredentials(fd);
  if (!("value" in credentials)) return undefined;
  // Never pidfd_open(pid) in its place: the kernel makes this one from the process it pinned, whatever runs under
  // that number now. ENOPROTOOPT before Linux 6.5; ESRCH or a dead pidfd when it was reaped.
  const pidfd = calls().socketOption(fd, SO_PEERPIDFD)?.getInt32(0, true);
  return pidfd === undefined ? undefined : holdProcess(pidfd, credentials.value.pid);
}

function openProcess(pid: number): ProcessHandle | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const pidfd = calls().pidfdOpen(pid);
  return pidfd < 0 ? undefined : holdProcess(pidfd, pid);
}

function openStream(fd: number, direction: StreamDirection): ByteStream {
  const { kind } = describeDescriptor(fd, "/proc/self/fd");
  if (kind === "closed") {
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot open descriptor ${fd}: it is closed`);
  }
  return openDescriptorStream(fd, kind, direction);
}

function socketPair(): readonly [number, number] {
  const pair = calls().socketPair();
  if (pair !== undefined) return pair;
  throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make a socket pair: ${calls().errno()}`);
}

/** Not by `node:fs`: Deno makes no stream of a descriptor that its `fs` has opened. */
function reopenForWriting(fd: number): number | undefined {
  const reopened = calls().open(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  return reopened < 0 ? undefined : reopened;
}

function pipe(): readonly [number, number] {
  const ends = calls().pipe();
  if (ends !== undefined) return ends;
  throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make a pipe: ${calls().errno()}`);
}

/** For a Unix socket this is the memory of what is queued: more than its bytes, and 0 exactly when all was read. */
function unreadBytes(fd: number): number | undefined {
  const { count } = calls();
  const { kind } = describeDescriptor(fd, "/proc/self/fd");
  if (kind === "socket") return count(fd, SIOCOUTQ);
  return kind === "pipe" ? count(fd, FIONREAD) : undefined;
}
