/**
 * Who started us: attestation of our own standard input and output.
 *
 * A socket names who made it (node and bun give their children socketpairs); a pipe, a terminal or a file names
 * nobody, and then all there is is our parent.
 */
import {
  type Absent,
  absent,
  type Credentials,
  type Fact,
  type Grade,
  type Transport,
} from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Descriptor, Platform, ProcessHandle } from "../platform/platform.ts";
import type { Attestation } from "./attest.ts";
import { attestationOf, type Found } from "./attestation.ts";
import { INIT, type MeasuredLineage, openParent, walkLineage } from "./lineage.ts";
import { type MeasuredProcess, measureProcess } from "./measure.ts";

/** Which descriptors to look at, and who hashes. */
export interface StdioOptions {
  /** What is attested; our standard input. */
  readonly inputFd: number;
  /** Where it is a socket too, its peer must be the same process. */
  readonly outputFd: number;
  /** Stays the caller's. */
  readonly digests: Digests;
}

/**
 * Attests whoever is at the other end of our standard input.
 *
 * Guarantees: the uid, gid and pid of a socket's peer are the kernel's; the process that was measured is that very
 * one and an ancestor of ours. Does not: prove that it is the one that writes, so what is measured has the grade
 * `lineage`, and `heuristic` where anybody may be at the other end (terminal, file).
 *
 * It reads no file through, and takes about a millisecond; digests follow in `complete`.
 *
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` where the platform cannot even describe a descriptor.
 */
export function attestStdio(platform: Platform, options: StdioOptions): Attestation {
  const input = platform.describe(options.inputFd);
  const found = input.kind === "socket"
    ? attestSocket(platform, options)
    : attestParent(platform, input.kind);
  return attestationOf(found, options.digests);
}

const NO_LINEAGE: MeasuredLineage = { ancestors: [], end: "unreadable" };
const MAX_STEPS = 16;

function attestSocket(platform: Platform, options: StdioOptions): Found {
  const { credentials, handle } = openSocketPeer(platform, options);
  const nobody = (reason: Absent): Found => {
    if (!("absent" in handle)) handle.close();
    return { transport: "stdio-socket", credentials, process: reason, lineage: NO_LINEAGE };
  };
  if ("absent" in handle) return nobody(handle);
  if ("absent" in credentials) return nobody(credentials);
  // A process can make a socketpair, keep the other end in a helper, and exec a trusted program that starts us under
  // the helper's pair: then who made it is not who started us.
  if (!isAncestor(platform, handle)) return nobody(absent("peer-is-no-ancestor"));
  const process = measureProcess(handle, {
    grade: "lineage",
    accountGrade: "kernel",
    credentials: credentials.value,
  });
  return found(platform, "stdio-socket", credentials, process, credentials.value.uid, "lineage");
}

interface SocketPeer {
  readonly credentials: Fact<Credentials>;
  readonly handle: ProcessHandle | Absent;
}

/** Both directions must have been made by one process, or neither says anything. */
function openSocketPeer(platform: Platform, { inputFd, outputFd }: StdioOptions): SocketPeer {
  const credentials = platform.peerCredentials(inputFd);
  if ("absent" in credentials) return { credentials, handle: credentials };
  const handle = openPeer(platform, inputFd, credentials.value.pid);
  if (platform.describe(outputFd).kind !== "socket" || "absent" in handle) return { credentials, handle };
  const other = openPeer(platform, outputFd, handle.pid);
  const same = !("absent" in other) && sameProcess(handle, other) && sameAccount(platform, inputFd, outputFd);
  if (!("absent" in other)) other.close();
  if (same) return { credentials, handle };
  handle.close();
  const differ = absent("stdio-peers-differ");
  return { credentials: differ, handle: differ };
}

function openPeer(platform: Platform, fd: number, pid: number): ProcessHandle | Absent {
  const handle = platform.peerProcess(fd) ??
    // Before Linux 6.5 the kernel gives no pidfd of a peer. By number it is who has the number now: enough for
    // `lineage`, since it must be an ancestor of ours that has not ended.
    (knowsPeerPidfd(platform) ? undefined : platform.openProcess(pid));
  return handle ?? absent("peer-gone");
}

/** Asked of a pair of our own, so that "the kernel cannot" is not mistaken for "that process is gone". */
function knowsPeerPidfd(platform: Platform): boolean {
  const pair = platform.socketPair();
  const self = platform.peerProcess(pair[0]);
  self?.close();
  for (const fd of pair) platform.closeDescriptor(fd);
  return self !== undefined;
}

function sameProcess(a: ProcessHandle, b: ProcessHandle): boolean {
  // Both handles are held and alive, so one number means one process also where there is no inode.
  return a.pid === b.pid && a.inode === b.inode && a.isAlive() && b.isAlive();
}

function sameAccount(platform: Platform, a: number, b: number): boolean {
  const one = platform.peerCredentials(a);
  const two = platform.peerCredentials(b);
  return "value" in one && "value" in two && one.value.uid === two.value.uid &&
    one.value.gid === two.value.gid;
}

function isAncestor(platform: Platform, peer: ProcessHandle): boolean {
  let child = platform.openProcess(process.pid);
  for (let step = 0; child !== undefined && step < MAX_STEPS; step++) {
    const parent = openParent(platform, child);
    child.close();
    if (typeof parent === "string") return false;
    if (sameProcess(parent, peer)) {
      parent.close();
      return true;
    }
    child = parent;
  }
  child?.close();
  return false;
}

const PARENT_TRANSPORTS: Partial<Record<Descriptor["kind"], Transport>> = {
  pipe: "stdio-pipe",
  tty: "stdio-tty",
};

function attestParent(platform: Platform, kind: Descriptor["kind"]): Found {
  const transport = PARENT_TRANSPORTS[kind] ?? "stdio-file";
  const credentials = absent(`not-a-socket:${kind}`);
  const self = platform.openProcess(process.pid);
  const parent = self === undefined ? "unreadable" : openParent(platform, self);
  self?.close();
  // A child of init may be anybody's orphan: not even init's account is evidence of who started it.
  if (typeof parent === "string" || parent.pid === INIT) {
    if (typeof parent !== "string") parent.close();
    const reason = typeof parent === "string" ? parent : "init";
    return { transport, credentials, process: absent(`no-parent:${reason}`), lineage: NO_LINEAGE };
  }
  // Whoever types at a terminal or wrote a file is not our parent; its account is all that counts.
  const grade = kind === "pipe" ? "lineage" : "heuristic";
  const measured = measureProcess(parent, { grade, accountGrade: "kernel" });
  const uid = measured.evidence.uid;
  if ("absent" in uid) return { transport, credentials, process: measured, lineage: NO_LINEAGE };
  return found(platform, transport, credentials, measured, uid.value, grade);
}

function found(
  platform: Platform,
  transport: Transport,
  credentials: Fact<Credentials>,
  process: MeasuredProcess,
  uid: number,
  grade: Grade,
): Found {
  return { transport, credentials, process, lineage: walkLineage(platform, process.handle, uid, grade) };
}
