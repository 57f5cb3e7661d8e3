/**
 * Linux: credentials by SO_PEERCRED and SO_PEERPIDFD, processes by pidfd (unix(7), socket(7), pidfd_open(2)).
 */
import { constants } from "node:fs";
import { GuardError } from "../model/errors.ts";
import { describeDescriptor } from "./descriptor.ts";
import { type Calls, FIONREAD, SIOCOUTQ, systemCalls } from "./linux/calls.ts";
import { connectUnix, passDescriptors } from "./linux/connect.ts";
import { openSenderStream } from "./linux/open-peer-stream.ts";
import { openProcess, peerCredentials, peerProcess } from "./linux/peer.ts";
import { peerGroups, peerLabel } from "./linux/peer-options.ts";
import { recognize } from "./linux/recognize.ts";
import { isUnixStream } from "./linux/socket-calls.ts";
import { listenUnix } from "./linux/unix-listener.ts";
import type { ByteStream, Descriptor, PeerStream, Platform, StreamDirection } from "./platform.ts";
import { openDescriptorStream, withoutSenders } from "./stream.ts";

/** @param calls The system calls, asked for when the first one is made: koffi is loaded then. */
export function openLinux(calls: () => Calls = systemCalls): Platform {
  return {
    name: "linux",
    hardenSelf: () => hardenSelf(calls()),
    describe,
    peerCredentials: (fd) => peerCredentials(calls(), fd),
    peerGroups: (fd) => peerGroups(calls(), fd),
    peerLabel: (fd) => peerLabel(calls(), fd),
    peerProcess: (fd) => peerProcess(calls(), fd),
    openProcess: (pid) => openProcess(calls(), pid),
    openStream,
    openPeerStream: (fd, direction) => openPeerStream(calls, fd, direction),
    listenUnix: (path, events, descriptors) => listenUnix(calls(), path, events, descriptors),
    connectUnix: (path) => connectUnix(calls(), path),
    passDescriptors: (fd, bytes, descriptors) => passDescriptors(calls(), fd, bytes, descriptors),
    recognize: (fd) => recognize(calls(), fd),
    socketPair: () => expectPair(calls(), "socket pair", calls().socketPair()),
    pipe: () => expectPair(calls(), "pipe", calls().pipe()),
    reopenForWriting: (fd) => reopenForWriting(calls(), fd),
    closeDescriptor: (fd) => void calls().close(fd),
    unreadBytes: (fd) => unreadBytes(calls(), fd),
  };
}

function describe(fd: number): Descriptor {
  return describeDescriptor(fd, "/proc/self/fd");
}

/**
 * Non-dumpable: no ptrace, no `pidfd_getfd`, no /proc/<pid>/mem or /fd for other processes of our user (prctl(2)).
 * An exec undoes it, so children are as they always were.
 */
const SIGUSR1 = 10;

function hardenSelf({ setDumpable, ignoreSignal, errno }: Calls): void {
  // Deno opens its inspector on this signal beside any listener of ours (from 2.9.2 on); what the kernel ignores it
  // never sees. Node gives the signal to our listener, see wrappers/cli.ts.
  if ("Deno" in globalThis) ignoreSignal(SIGUSR1);
  if (setDumpable(false) !== 0) {
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make the guard non-dumpable: ${errno()}`);
  }
}

function openStream(fd: number, direction: StreamDirection): ByteStream {
  return openDescriptorStream(fd, openKind(fd), direction);
}

function openPeerStream(calls: () => Calls, fd: number, direction: StreamDirection): PeerStream {
  const kind = openKind(fd);
  if (direction !== "write" && kind === "socket" && isUnixStream(calls(), fd)) {
    return openSenderStream(calls(), fd, direction === "both");
  }
  return withoutSenders(openDescriptorStream(fd, kind, direction));
}

function openKind(fd: number): Descriptor["kind"] {
  const { kind } = describe(fd);
  if (kind !== "closed") return kind;
  throw new GuardError("ERR_CONFIG_INVALID", `Cannot open descriptor ${fd}: it is closed`);
}

function expectPair(
  { errno }: Calls,
  what: string,
  pair: readonly [number, number] | undefined,
): readonly [number, number] {
  if (pair !== undefined) return pair;
  throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make a ${what}: ${errno()}`);
}

/** Not by `node:fs`: Deno makes no stream of a descriptor that its `fs` has opened. */
function reopenForWriting({ open }: Calls, fd: number): number | undefined {
  const reopened = open(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  return reopened < 0 ? undefined : reopened;
}

/** For a Unix socket this is the memory of what is queued: more than its bytes, and 0 exactly when all was read. */
function unreadBytes({ count }: Calls, fd: number): number | undefined {
  const { kind } = describe(fd);
  if (kind === "socket") return count(fd, SIOCOUTQ);
  return kind === "pipe" ? count(fd, FIONREAD) : undefined;
}
