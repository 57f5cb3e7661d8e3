/**
 * macOS. UNTESTED: written from XNU's headers and source, and never run on a Mac.
 *
 * The kernel names no sender of a read here, so what is measured of a peer is `lineage` at best, and there is no
 * listening at a socket: a door whose visitors cannot be told apart is not opened.
 */
import { constants } from "node:os";
import { absent } from "../model/evidence.ts";
import { GuardError } from "../model/errors.ts";
import { type DarwinCalls, darwinCalls } from "./darwin/calls.ts";
import { peerCredentials, peerProcess } from "./darwin/peer.ts";
import { holdProcess } from "./darwin/process-handle.ts";
import { describeDescriptor } from "./descriptor.ts";
import type { ByteStream, Platform, StreamDirection } from "./platform.ts";
import { openDescriptorStream, withoutSenders } from "./stream.ts";
import { openUnsupported } from "./unsupported.ts";

/** Opening this again gives the same open file, unlike Linux's /proc: so nothing is reopened by it. */
const OWN = "/dev/fd";

/** @param calls The system calls, asked for when the first one is made: koffi is loaded then. */
export function openDarwin(calls: () => DarwinCalls = darwinCalls): Platform {
  return {
    ...openUnsupported(), // listenUnix, connectUnix, passDescriptors
    name: "darwin",
    hardenSelf: () => hardenSelf(calls()),
    describe: (fd) => describeDescriptor(fd, OWN),
    peerCredentials: (fd) => peerCredentials(calls(), fd),
    // At most sixteen groups come along, and a directory is asked for the others: being in none is no fact.
    peerGroups: () => absent("peergroups:not-on-darwin"),
    peerLabel: () => absent("peersec:not-on-darwin"),
    peerProcess: (fd) => peerProcess(calls(), fd),
    openProcess: (pid) => holdProcess(calls(), pid),
    openStream,
    openPeerStream: (fd, direction) => withoutSenders(openStream(fd, direction)),
    recognize: () => undefined,
    socketPair: () => expectPair(calls(), "socket pair", calls().socketPair()),
    pipe: () => expectPair(calls(), "pipe", calls().pipe()),
    reopenForWriting: () => undefined,
    closeDescriptor: (fd) => void calls().close(fd),
    unreadBytes: () => undefined,
  };
}

/**
 * No debugger by ptrace(2), for the rest of this process's life. Who may take its task port (task_for_pid) is decided by
 * the runtime's signature, not by us.
 */
function hardenSelf({ denyAttach, ignoreSignal, errno }: DarwinCalls): void {
  // As on Linux: Deno opens its inspector on this signal.
  if ("Deno" in globalThis) ignoreSignal(constants.signals.SIGUSR1);
  if (denyAttach() !== 0) {
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot refuse debuggers: ptrace ${errno()}`);
  }
}

function openStream(fd: number, direction: StreamDirection): ByteStream {
  const { kind } = describeDescriptor(fd, OWN);
  if (kind !== "closed") return openDescriptorStream(fd, kind, direction);
  throw new GuardError("ERR_CONFIG_INVALID", `Cannot open descriptor ${fd}: it is closed`);
}

function expectPair(
  { errno }: DarwinCalls,
  what: string,
  pair: readonly [number, number] | undefined,
): readonly [number, number] {
  if (pair !== undefined) return pair;
  throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot make a ${what}: ${errno()}`);
}
