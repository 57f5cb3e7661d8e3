/** What every door at a Unix socket is opened with. */
import type { AdmissionWorld, Clients } from "../../policy/clients.ts";
import type { PeerRefusal } from "../attest/attest.ts";
import { principalOf } from "../attest/principal.ts";
import type { AdmittedPeer, RefusedPeer } from "../gate/admission/admit.ts";
import { type Credentials, isKnown, type PeerEvidence } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform } from "../platform/platform.ts";
import type { Capacity } from "./capacity.ts";

/** Read anew for each peer: what comes of the policy may change. */
export interface DoorOptions {
  readonly platform: Platform;
  /** Absolute. */
  readonly path: string;
  readonly digests: Digests;
  /** The policy's `clients`; undefined: processes of our own uid, and nobody else. */
  readonly clients: Clients | undefined;
  readonly world: AdmissionWorld;
  readonly trustDomain: string;
  /** One for all doors. */
  readonly capacity: Capacity;
  /** Starts the peer's session. @returns Settles when it has ended, with the exit code to hand on. */
  readonly serve: (peer: AdmittedPeer) => Promise<number>;
  /** Records that a peer is not let in. @returns The id that it is told. */
  readonly refused: (peer: RefusedPeer) => Promise<string | undefined>;
  /** One line for the person at the terminal. */
  readonly notice: (text: string) => void;
}

/** Whether anybody of this account may be admitted. */
export function mayAdmit({ clients }: DoorOptions, credentials: Credentials): boolean {
  return clients === undefined ? credentials.uid === process.geteuid?.() : clients.mayAdmit(credentials);
}

/** A refusal before anything was measured, as the log takes it. */
export function asRefused({ code, refused, evidence }: PeerRefusal, trustDomain: string): RefusedPeer {
  const principal = principalOf(evidence, trustDomain);
  return { admitted: false, code, reasons: [refused], identity: { principal, evidence } };
}

export function uidOf({ credentials }: PeerEvidence): number {
  return isKnown(credentials) ? credentials.value.uid : -1;
}
