/**
 * Whether a peer is let in: steps 2, 10 and 11 of the order of verification (`attest/attest-connection.ts` has the
 * whole of it). Nobody else sees a peer's stream before this said yes, and then only as an {@linkcode AdmittedStream}.
 */
import type { AdmissionWorld, Clients } from "../../../policy/clients.ts";
import type { Grade } from "../../../policy/fact.ts";
import type { Attestation } from "../../attest/attest.ts";
import { principalOf } from "../../attest/principal.ts";
import { unproven } from "../../attest/unproven.ts";
import type { SessionIdentity } from "../../audit/audit-log.ts";
import type { GuardErrorCode } from "../../model/errors.ts";
import { type Credentials, isKnown, type PeerEvidence } from "../../model/evidence.ts";
import { monotonicMs } from "../../platform/monotonic.ts";
import type { PeerStream } from "../../platform/platform.ts";
import { AdmittedStream, type SessionStream } from "./admitted-stream.ts";

/** Who asks, and by what it is judged. */
export interface AdmissionRequest {
  readonly stream: PeerStream;
  readonly attestation: Attestation;
  /** The policy's `clients`; undefined: processes of our own uid, and nobody else. */
  readonly clients: Clients | undefined;
  readonly world: AdmissionWorld;
  /** The guard's own. */
  readonly uid: number | undefined;
  readonly trustDomain: string;
  /** The process that handed its stream over. */
  readonly handedOverBy?: number;
  /** Whether the process is known already: nothing of this connection can be older than its measurement. */
  readonly bornProven?: boolean;
}

/** A peer that was let in. It owns the attestation. */
export interface AdmittedPeer extends SessionPeer {
  readonly admitted: true;
  readonly stream: AdmittedStream;
  /** Its process's number, which is nobody else's while it lives. */
  readonly pid: number | undefined;
  /** When it was measured last, on the monotonic clock. */
  readonly measuredAt: number;
  /** Whether the process lives and, where it was admitted for what it runs, still runs that. */
  isCurrent(): boolean;
}

/** What a peer of several sessions has of the one-time secret in all of them: the HTTP doors make one for each peer. */
export interface PeerGrant {
  /** What earns the secret, in a session's place: when it is shown twice, all sessions of the grant end. */
  readonly id: string;
  /** Whether the secret was shown. */
  earned: boolean;
}

/** All that a session has to know of its peer. */
export interface SessionPeer {
  readonly stream: SessionStream;
  /** The entry of the policy that it matched. */
  readonly client: string | undefined;
  /** What the admission rests on: the lowest grade among the facts that were needed. */
  readonly grade: Grade;
  /** Whether it must show the one-time secret before anything else. */
  readonly bootstrap: boolean;
  /** Undefined: the session is its peer's only one. */
  readonly grant?: PeerGrant | undefined;
  /** The session's id in the log and in tokens. @default {a new one} */
  readonly sid?: string | undefined;
  /** Whether what it sent before it was measured may have no effect. */
  readonly proof: "required" | "not-required";
  /** What it was admitted by. */
  readonly clients: Clients | undefined;
  /** The process that handed its stream over. */
  readonly handedOverBy?: number | undefined;
  /** Who it is, as far as is known at once. */
  readonly identity: SessionIdentity;
  /** The same with all there is to know. Never rejects. */
  complete(): Promise<SessionIdentity>;
  /**
   * Whether a policy that was loaded meanwhile would let it in under the same name, by proofs no weaker than those that
   * it was admitted by. Never rejects.
   */
  stillAdmitted(clients: Clients | undefined, world: AdmissionWorld): Promise<boolean>;
  /** Lets go of its process. The stream is closed by whoever reads it. */
  close(): void;
}

/** A peer that was not. Its stream and its attestation are the caller's to close. */
export interface RefusedPeer {
  readonly admitted: false;
  readonly code: GuardErrorCode;
  /** Short codes for the audit log: why, entry by entry where the policy has some. */
  readonly reasons: readonly string[];
  readonly identity: SessionIdentity;
}

/** The first hash of a large executable from a cold disk takes seconds. */
const LONGEST_MS = 30_000;

/** Decides once. Never rejects: whatever throws on the way, or takes too long, is a refusal. */
export async function admitPeer(request: AdmissionRequest): Promise<AdmittedPeer | RefusedPeer> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<RefusedPeer>((resolve) => {
    timer = setTimeout(() => resolve(refused(request, "ERR_ATTESTATION_FAILED", ["timeout"])), LONGEST_MS);
  });
  try {
    return await Promise.race([decide(request), late]);
  } catch {
    return refused(request, "ERR_INTERNAL", ["judging-failed"]);
  } finally {
    clearTimeout(timer);
  }
}

async function decide(request: AdmissionRequest): Promise<AdmittedPeer | RefusedPeer> {
  const { attestation, clients, world } = request;
  const gate = refuseAccount(request);
  if (gate !== undefined) return gate;
  if (clients === undefined) return admitted(request, { grade: "kernel", account: true });
  const evidence = await attestation.gather(clients.wants);
  const early = request.bornProven === true ? 0 : earlyBytes(request.stream);
  const changed = attestation.remeasure();
  if (changed !== undefined) return refused(request, "ERR_PEER_GONE", [changed], evidence);
  const admission = clients.admit(evidence, world);
  if (!admission.admitted) {
    const reasons = admission.reasons.map(({ client, because }) => `${client}: ${because}`);
    return refused(request, "ERR_PEER_REFUSED", reasons, evidence);
  }
  return admitted(request, admission, early);
}

/**
 * What waits now was sent before the measurement ended, so perhaps before the peer became what was measured: another
 * program can queue its requests, and then exec this one (step 10). All there ever comes counts as that where the
 * kernel names senders and cannot count; nothing where it does not even name them.
 */
function earlyBytes(stream: PeerStream): number {
  return stream.namesSenders ? stream.waiting() ?? Infinity : 0;
}

/** Steps 2 and 3, for own stdio too: an account that nobody lets in is not measured. */
function refuseAccount(request: AdmissionRequest): RefusedPeer | undefined {
  const { attestation: { immediate }, clients, uid } = request;
  const account = accountOf(immediate);
  if (typeof account !== "string") {
    const welcome = clients === undefined ? account.uid === uid : clients.mayAdmit(account);
    if (!welcome) return refused(request, "ERR_PEER_REFUSED", [`uid-${account.uid}`]);
    return isGone(immediate) ? refused(request, "ERR_PEER_GONE", ["peer-gone"]) : undefined;
  }
  // Whoever started us chose the policy too, and holds our standard streams. Where it cannot be seen, a policy without
  // `clients` takes it for nobody in particular; one that has them does not.
  return clients === undefined && UNSEEN.has(account)
    ? undefined
    : refused(request, "ERR_PEER_UNIDENTIFIED", [account]);
}

/** A container's runtime, from inside; and whoever left us to init. Not a parent that changed while we looked. */
const UNSEEN: ReadonlySet<string> = new Set(["no-parent:unreadable", "no-parent:init"]);

function isGone({ process, transport }: PeerEvidence): boolean {
  return transport === "stdio-socket" && "absent" in process && process.absent === "peer-gone";
}

/** Whose process it is. @returns Why it is not known, where it is not. */
export function accountOf({ credentials, process }: PeerEvidence): { uid: number; gid: number } | string {
  if (isKnown(credentials)) return credentials.value;
  if ("absent" in process) return process.absent;
  const { uid, gid } = process;
  if (!isKnown(uid)) return uid.absent;
  return isKnown(gid) ? { uid: uid.value, gid: gid.value } : gid.absent;
}

interface Terms {
  readonly client?: string;
  readonly grade: Grade;
  readonly account: boolean;
  readonly proof?: "required" | "not-required";
  readonly sender?: "every" | "first";
  readonly bootstrap?: boolean;
}

function admitted(
  request: AdmissionRequest,
  terms: Terms,
  early: number = earlyBytes(request.stream),
): AdmittedPeer {
  const { attestation, stream, trustDomain } = request;
  const { client, grade, account, proof = "not-required", sender = "every", bootstrap = false } = terms;
  const proven = proof === "required" && sender === "every";
  const identify = (measured: PeerEvidence): SessionIdentity => {
    const evidence = proven ? measured : unproven(measured);
    return { principal: principalOf(evidence, trustDomain, client), evidence };
  };
  return {
    admitted: true,
    stream: new AdmittedStream(stream, attestation, {
      from: senderOf(stream, attestation.immediate),
      sender,
      early,
      proof,
      image: !account,
    }),
    client,
    grade,
    proof,
    clients: request.clients,
    bootstrap,
    handedOverBy: request.handedOverBy,
    pid: isKnown(attestation.immediate.credentials) ? attestation.immediate.credentials.value.pid : undefined,
    measuredAt: monotonicMs(),
    isCurrent: () => account ? attestation.isAlive() : attestation.stillSame(),
    identity: identify(attestation.immediate),
    complete: async () => identify(await attestation.complete),
    stillAdmitted: (later, world) => stillAdmitted(request, { ...terms, proof, sender }, later, world),
    close: () => attestation.close(),
  };
}

async function stillAdmitted(
  { attestation, uid, world: { via } }: AdmissionRequest,
  before: Terms,
  clients: Clients | undefined,
  world: AdmissionWorld,
): Promise<boolean> {
  try {
    if (clients === undefined) {
      const account = accountOf(attestation.immediate);
      return before.client === undefined && typeof account !== "string" && account.uid === uid;
    }
    const evidence = await attestation.gather(clients.wants);
    if (attestation.remeasure() !== undefined) return false;
    const now = clients.admit(evidence, { ...world, via });
    return now.admitted && now.client === before.client && !demandsMore(now, before);
  } catch {
    return false;
  }
}

/** What was waived cannot be made up for: helpers may have spoken, or other images run, since the admission. */
function demandsMore(now: Terms, before: Terms): boolean {
  return before.account && !now.account ||
    before.proof === "not-required" && now.proof === "required" ||
    before.sender === "first" && now.sender === "every" ||
    before.bootstrap !== true && now.bootstrap === true;
}

function senderOf(stream: PeerStream, { credentials }: PeerEvidence): Credentials | undefined {
  if (!stream.namesSenders) return undefined;
  // Credentials are known wherever senders are: else it was refused above. Nobody has pid -1.
  return isKnown(credentials) ? credentials.value : { pid: -1, uid: -1, gid: -1 };
}

function refused(
  request: AdmissionRequest,
  code: GuardErrorCode,
  reasons: readonly string[],
  measured: PeerEvidence = request.attestation.immediate,
): RefusedPeer {
  const evidence = unproven(measured);
  const principal = principalOf(evidence, request.trustDomain);
  return { admitted: false, code, reasons, identity: { principal, evidence } };
}
