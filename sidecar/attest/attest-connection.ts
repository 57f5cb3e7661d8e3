/**
 * Who connected to a Unix socket of ours: the order of verification, up to where the bytes come in.
 *
 * | step | what | where |
 * |---|---|---|
 * | 0 | we protect ourselves first | `platform/self-defence.ts`, `hardenSelf` |
 * | 1 | senders are asked for before anybody can connect, and nothing is read before we looked | `platform` listener |
 * | 2 | who connected, as the kernel pinned it; is this account let in at all | here |
 * | 3, 4 | its process, held by the pidfd of that very connection, and one open /proc folder | `socket-peer.ts` |
 * | 5, 6, 7 | namespaces, tracer, uids; its image, opened and hashed | `measure.ts`, `image.ts` |
 * | 8 | its ancestors | `lineage.ts` |
 * | 9 | what it could have arranged itself | `facts/` |
 * | 10 | proof that it is the one that speaks, and all of 4 to 7 again | `gate/admission/` |
 * | 11 | the decision, and its record | `gate/admission/admit.ts` |
 * | 12, 13 | the same again for what comes later; the end | `gate/admission/admitted-stream.ts` |
 *
 * Only what happens here refuses by itself. Whatever cannot be had later is an absent fact, and the policy says whether
 * that matters.
 */
import { absent, type Credentials, known, type PeerEvidence } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform, ProcessHandle } from "../platform/platform.ts";
import type { Attestation, PeerRefusal } from "./attest.ts";
import { attestationOf } from "./attestation.ts";
import { walkLineage } from "./lineage.ts";
import { measureProcess } from "./measure.ts";
import { holdSocketPeer } from "./socket-peer.ts";

/** What {@linkcode attestConnection} asks. */
export interface ConnectionOptions {
  /** Whether anybody of this account may be admitted: costs nothing, and keeps strangers from making us work. */
  readonly mayAdmit: (credentials: Credentials) => boolean;
  /** Stays the caller's. */
  readonly digests: Digests;
}

/**
 * Attests whoever connected. Its facts have the grade `measured` on the condition that the caller takes no byte of
 * effect that was sent before the facts were gathered, and none of another sender.
 *
 * @param fd An accepted Unix stream socket. It stays the caller's.
 */
export function attestConnection(
  platform: Platform,
  fd: number,
  options: ConnectionOptions,
): Attestation | PeerRefusal {
  const held = holdConnection(platform, fd, options.mayAdmit);
  if ("refused" in held) return held;
  const { credentials, handle } = held;
  const process = measureProcess(handle, { grade: "measured", accountGrade: "kernel", credentials });
  const walk = () => walkLineage(platform, handle, credentials.uid, "lineage");
  const pinned = known(credentials, "kernel");
  return attestationOf(
    { transport: "unix", credentials: pinned, process, speaks: true, walk },
    options.digests,
  );
}

/** Who connected, as the kernel pinned it, and its process, which is the caller's to close. */
export interface HeldConnection {
  readonly credentials: Credentials;
  readonly handle: ProcessHandle;
}

/** Steps 2 to 4, for whoever is let in to be measured. */
export function holdConnection(
  platform: Platform,
  fd: number,
  mayAdmit: (credentials: Credentials) => boolean,
): HeldConnection | PeerRefusal {
  const credentials = platform.peerCredentials(fd);
  const refuse = (code: PeerRefusal["code"], refused: string): PeerRefusal => {
    return { code, refused, evidence: nobody(credentials, refused) };
  };
  if ("absent" in credentials) return refuse("ERR_PEER_UNIDENTIFIED", credentials.absent);
  if (!mayAdmit(credentials.value)) return refuse("ERR_PEER_REFUSED", "account");
  const handle = holdSocketPeer(platform, fd, credentials.value.pid);
  if ("absent" in handle) return refuse("ERR_PEER_GONE", handle.absent);
  return { credentials: credentials.value, handle };
}

/** What is recorded of a connection that was not measured. */
export function nobody(credentials: PeerEvidence["credentials"], reason: string): PeerEvidence {
  const process = absent(reason);
  return {
    transport: "unix",
    credentials,
    process,
    lineage: { ancestors: [], end: "pending" },
    selectors: [],
  };
}
