/**
 * Who connected to a TCP port of ours on loopback. The kernel pins nobody here: it says which user's socket is at the
 * other end (`kernel`), and who holds that socket is found by looking (`heuristic`: another process may hold it unseen).
 *
 * The socket is asked for before a request and after it, and must be the same both times: while it is connected, its
 * inode is nobody else's.
 */
import { absent, type Credentials, type Fact, isKnown, known, type PeerEvidence } from "../model/evidence.ts";
import type { ProcessEvidence } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform, TcpConnection, TcpSocket } from "../platform/platform.ts";
import type { Attestation, PeerRefusal } from "./attest.ts";
import { attestationOf } from "./attestation.ts";
import { walkLineage } from "./lineage.ts";
import { type MeasuredProcess, measureProcess } from "./measure.ts";
import { selectorsOf } from "./selectors.ts";

export interface LoopbackOptions {
  /** Whether anybody of this account may be admitted. Its group is not known: -1. */
  readonly mayAdmit: (account: Pick<Credentials, "uid" | "gid">) => boolean;
  /** Stays the caller's. */
  readonly digests: Digests;
}

/** Cheap but for one look through /proc. `remeasure` also tells whether the socket is still the one that was found. */
export function attestLoopback(
  platform: Platform,
  connection: TcpConnection,
  options: LoopbackOptions,
): Attestation | PeerRefusal {
  const socket = platform.tcpPeer(connection);
  const refuse = (code: PeerRefusal["code"], refused: string): PeerRefusal => {
    return { code, refused, evidence: evidenceOf(absentProcess(socket, refused)) };
  };
  if (!isKnown(socket)) return refuse("ERR_PEER_UNIDENTIFIED", socket.absent);
  const { uid, inode } = socket.value;
  if (!options.mayAdmit({ uid, gid: -1 })) return refuse("ERR_PEER_REFUSED", "account");
  const holder = measureHolder(platform, inode);
  const found = attestationOf({
    transport: "tcp",
    credentials: absent("tcp"),
    process: typeof holder === "string" ? absent(holder) : holder,
    speaks: true,
    walk: () =>
      typeof holder === "string"
        ? { ancestors: [], end: "unreadable" }
        : walkLineage(platform, holder.handle, uid, "heuristic"),
  }, options.digests);
  const same = (): boolean => {
    const now = platform.tcpPeer(connection);
    return isKnown(now) && now.value.inode === inode && now.value.uid === uid;
  };
  return {
    immediate: withUser(found.immediate, socket),
    gather: async (wants) => withUser(await found.gather(wants), socket),
    get complete() {
      return found.complete.then((evidence) => withUser(evidence, socket));
    },
    remeasure: () => same() ? found.remeasure() : "socket-changed",
    isAlive: () => found.isAlive(),
    stillSame: () => found.stillSame(),
    close: () => found.close(),
  };
}

/** @returns Why nobody is taken for the holder: there are several, or none is to be seen. */
function measureHolder(platform: Platform, inode: string): MeasuredProcess | string {
  const holders = platform.socketHolders(inode);
  const [pid] = holders;
  if (pid === undefined || holders.length !== 1) return `tcp-holders:${holders.length}`;
  const handle = platform.openProcess(pid);
  if (handle === undefined) return "tcp-holder-gone";
  // The number may have been given to another since: who is held now must hold the socket.
  if (!platform.socketHolders(inode).includes(pid) || !handle.isAlive()) {
    handle.close();
    return "tcp-holder-gone";
  }
  return measureProcess(handle, { grade: "heuristic", accountGrade: "heuristic" });
}

/** The user is the socket's: a holder that is somebody else by now has none that could be relied upon. */
function withUser(evidence: PeerEvidence, socket: Fact<TcpSocket>): PeerEvidence {
  const { process, lineage } = evidence;
  if ("absent" in process) return evidenceOf(absentProcess(socket, process.absent));
  const uid = isKnown(process.uid) && isKnown(socket) && process.uid.value !== socket.value.uid
    ? absent("uid-changed")
    : userOf(socket);
  // Which process it is was found by looking, so its name is worth no more.
  const pidfdInode = isKnown(process.pidfdInode)
    ? known(process.pidfdInode.value, "heuristic")
    : process.pidfdInode;
  return evidenceOf({ ...process, uid, pidfdInode }, lineage);
}

function evidenceOf(process: ProcessEvidence, lineage?: PeerEvidence["lineage"]): PeerEvidence {
  const all = lineage ?? { ancestors: [], end: "pending" };
  const selectors = selectorsOf({ transport: "tcp", process, lineage: all, immutable: false });
  return { transport: "tcp", credentials: absent("tcp"), process, lineage: all, selectors };
}

function userOf(socket: Fact<TcpSocket>): Fact<number> {
  return isKnown(socket) ? known(socket.value.uid, socket.grade) : socket;
}

/** Nobody whose number or program is known, but whose user may be. */
function absentProcess(socket: Fact<TcpSocket>, reason: string): ProcessEvidence {
  const nothing = absent(reason);
  return {
    pid: 0,
    pidfdInode: nothing,
    uid: userOf(socket),
    gid: nothing,
    groups: nothing,
    label: nothing,
    namespaces: { pid: nothing, mnt: nothing },
    executable: { path: nothing, sha256: nothing, immutable: nothing, runtime: nothing },
    script: { path: nothing, sha256: nothing },
    argv: nothing,
    loaders: nothing,
    mappings: nothing,
  };
}
