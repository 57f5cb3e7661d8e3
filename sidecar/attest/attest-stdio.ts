/**
 * Who is at the other end of standard input and output: our own, or those that the connect shim handed over.
 *
 * A socket names who made it (node and bun give their children socketpairs); a pipe, a terminal or a file names
 * nobody, and then all there is is the ancestors of whoever was started with them.
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
import { measureProcess } from "./measure.ts";
import { holdsEnd } from "./pipe-ends.ts";
import { holdSocketPeer, sameAccount, sameProcess } from "./socket-peer.ts";

/** Which descriptors to look at, and who hashes. */
export interface StdioOptions {
  /** What is attested; our standard input. */
  readonly inputFd: number;
  /** Where it is a socket too, its peer must be the same process. */
  readonly outputFd: number;
  /**
   * Whether each read's sender will be held to the process that is measured, and nothing that it sent before taken for
   * its word: then what is measured of a socket's peer has the grade `measured`, else `lineage`.
   */
  readonly senders: boolean;
  /**
   * Whose standard streams they are: one of its ancestors must be who made them, or writes into them. Stays the
   * caller's. @default {ourselves}
   */
  readonly owner?: ProcessHandle;
  /** Stays the caller's. */
  readonly digests: Digests;
}

/**
 * Attests whoever is at the other end of standard input.
 *
 * Guarantees: the uid, gid and pid of a socket's peer are the kernel's; the process that was measured is that very one
 * and an ancestor of the streams' owner; of a pipe it is the nearest ancestor that holds the end that is written to. Does not: prove
 * by itself who writes. Where anybody may (a terminal, a file, a pipe that no ancestor writes into) what is measured of
 * the parent is `heuristic`, and only its account counts.
 *
 * It reads no file through, and takes about a millisecond; the rest follows in `gather`.
 *
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` where the platform cannot even describe a descriptor.
 */
export function attestStdio(platform: Platform, options: StdioOptions): Attestation {
  const input = platform.describe(options.inputFd);
  const found = input.kind === "socket"
    ? attestSocket(platform, options)
    : attestAncestor(platform, input, options);
  return attestationOf(found, options.digests);
}

const NO_LINEAGE = (): MeasuredLineage => ({ ancestors: [], end: "unreadable" });
const MAX_STEPS = 16;

function attestSocket(platform: Platform, options: StdioOptions): Found {
  const { credentials, handle } = holdStdioPeer(platform, options);
  const nobody = (reason: Absent): Found => {
    if (!("absent" in handle)) handle.close();
    return { transport: "stdio-socket", credentials, process: reason, speaks: false, walk: NO_LINEAGE };
  };
  if ("absent" in handle) return nobody(handle);
  if ("absent" in credentials) return nobody(credentials);
  // A process can make a socketpair, keep the other end in a helper, and exec a trusted program that starts us under
  // the helper's pair: then who made it is not who started us.
  const isPeer = (candidate: ProcessHandle): boolean => sameProcess(candidate, handle);
  const ancestor = findAncestor(platform, options.owner, isPeer, "init too");
  if (typeof ancestor === "string") return nobody(absent("peer-is-no-ancestor"));
  ancestor.close();
  const grade = options.senders ? "measured" : "lineage";
  const process = measureProcess(handle, { grade, accountGrade: "kernel", credentials: credentials.value });
  const walk = () => walkLineage(platform, handle, credentials.value.uid, "lineage");
  return { transport: "stdio-socket", credentials, process, speaks: true, walk };
}

interface SocketPeer {
  readonly credentials: Fact<Credentials>;
  readonly handle: ProcessHandle | Absent;
}

/** Both directions must have been made by one process, or neither says anything. */
function holdStdioPeer(platform: Platform, { inputFd, outputFd, owner }: StdioOptions): SocketPeer {
  const credentials = platform.peerCredentials(inputFd);
  if ("absent" in credentials) return { credentials, handle: credentials };
  const handle = holdSocketPeer(platform, inputFd, credentials.value.pid);
  if ("absent" in handle) return { credentials, handle };
  // Ours may be written to a file; what was handed over must not lead the answers to somebody else.
  if (owner === undefined && platform.describe(outputFd).kind !== "socket") return { credentials, handle };
  const other = holdSocketPeer(platform, outputFd, handle.pid);
  const same = !("absent" in other) && sameProcess(handle, other) &&
    sameAccount(credentials, platform.peerCredentials(outputFd));
  if (!("absent" in other)) other.close();
  if (same) return { credentials, handle };
  handle.close();
  const differ = absent("stdio-peers-differ");
  return { credentials: differ, handle: differ };
}

const ANCESTOR_TRANSPORTS: Partial<Record<Descriptor["kind"], Transport>> = {
  pipe: "stdio-pipe",
  tty: "stdio-tty",
};

function attestAncestor(platform: Platform, input: Descriptor, { owner, outputFd }: StdioOptions): Found {
  const transport = ANCESTOR_TRANSPORTS[input.kind] ?? "stdio-file";
  const credentials = absent(`not-a-socket:${input.kind}`);
  // As for sockets.
  const output = owner === undefined ? undefined : platform.describe(outputFd);
  const isPeer = (candidate: ProcessHandle): boolean =>
    holdsEnd(candidate, "write", input.identity) &&
    (output === undefined || output.kind === "pipe" && holdsEnd(candidate, "read", output.identity));
  const writer = input.kind === "pipe" ? findAncestor(platform, owner, isPeer) : "none";
  const process = typeof writer === "string" ? findAncestor(platform, owner, () => true) : writer;
  // A child of init may be anybody's orphan: not even init's account is evidence of who started it.
  if (typeof process === "string") {
    return {
      transport,
      credentials,
      process: absent(`no-parent:${process}`),
      speaks: false,
      walk: NO_LINEAGE,
    };
  }
  // Whoever types at a terminal or wrote a file is not our parent; its account is all that counts.
  const grade = typeof writer === "string" ? "heuristic" : "lineage";
  return foundAncestor(platform, process, { transport, credentials, grade });
}

function foundAncestor(
  platform: Platform,
  handle: ProcessHandle,
  { grade, ...about }: Pick<Found, "transport" | "credentials"> & { readonly grade: Grade },
): Found {
  const process = measureProcess(handle, { grade, accountGrade: "kernel" });
  const { uid } = process.evidence;
  const walk = "absent" in uid ? NO_LINEAGE : () => walkLineage(platform, handle, uid.value, grade);
  return { ...about, process, speaks: grade === "lineage", walk };
}

/**
 * The nearest ancestor that fits; the caller closes it.
 *
 * @param owner Whose ancestor; undefined: ours.
 * @param init Whether it may be pid 1: only where the kernel itself names it, since everybody's orphans are its.
 * @returns Why there is none: the walk's end, or `none` when none of them fits.
 */
function findAncestor(
  platform: Platform,
  owner: ProcessHandle | undefined,
  fits: (candidate: ProcessHandle) => boolean,
  init?: "init too",
): ProcessHandle | string {
  let child = owner ?? platform.openProcess(process.pid);
  for (let step = 0; child !== undefined && step < MAX_STEPS; step++) {
    const parent = openParent(platform, child);
    if (child !== owner) child.close();
    if (typeof parent === "string") return parent;
    if ((parent.pid !== INIT || init !== undefined) && fits(parent)) return parent;
    if (parent.pid === INIT) {
      parent.close();
      return "init";
    }
    child = parent;
  }
  if (child !== owner) child?.close();
  return "none";
}
