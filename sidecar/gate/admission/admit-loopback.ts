/**
 * Whether whoever connected to a TCP port is let in without a token: only by an entry that waives the proof in so many
 * words, since nobody can say here which process speaks. Whom an entry asks for the one-time secret may show that, and
 * is given a token for it; the secret never stands in for what the entry says of the socket's user.
 */
import type { AdmissionWorld, Clients } from "../../../policy/clients.ts";
import type { Attestation } from "../../attest/attest.ts";
import { principalOf } from "../../attest/principal.ts";
import { unproven } from "../../attest/unproven.ts";
import type { SessionIdentity } from "../../audit/audit-log.ts";
import type { PeerEvidence } from "../../model/evidence.ts";
import type { RefusedPeer, SessionPeer } from "./admit.ts";

export interface LoopbackRequest {
  readonly attestation: Attestation;
  /** Undefined: there is no entry, so nobody is let in without a token. */
  readonly clients: Clients | undefined;
  readonly world: AdmissionWorld;
  readonly trustDomain: string;
}

/** A user of this machine, and perhaps a process of it. It owns the attestation. */
export interface LoopbackPeer extends Omit<SessionPeer, "stream"> {
  readonly admitted: true;
  /** Whether it needs no token. Else it may ask for one with the one-time secret, and nothing else. */
  readonly waived: boolean;
  /**
   * Whether a policy that was loaded meanwhile leaves it the token that it was given, by what was seen of it then: the
   * connection may be closed by now.
   */
  readonly mayHold: (clients: Clients | undefined, world: AdmissionWorld) => boolean;
  /** Whether the socket is the one that was admitted, and whoever holds it has not changed. */
  isConnected(): boolean;
  /** Whether whoever held it lives, where somebody was found. */
  isAlive(): boolean;
}

/** Decides once. Never rejects: whatever throws on the way is a refusal. The attestation of a refused one is the caller's. */
export async function admitLoopback(request: LoopbackRequest): Promise<LoopbackPeer | RefusedPeer> {
  try {
    return await decide(request);
  } catch {
    return refused(request, ["judging-failed"]);
  }
}

async function decide(request: LoopbackRequest): Promise<LoopbackPeer | RefusedPeer> {
  const { attestation, clients, world, trustDomain } = request;
  if (clients === undefined) return refused(request, ["no-clients"]);
  const evidence = await attestation.gather(clients.wants);
  const changed = attestation.remeasure();
  if (changed !== undefined) return refused(request, [changed], evidence);
  const admission = clients.admit(evidence, world);
  if (!admission.admitted) {
    return refused(
      request,
      admission.reasons.map(({ client, because }) => `${client}: ${because}`),
      evidence,
    );
  }
  const { client, grade, waived, bootstrap } = admission;
  if (!waived && !bootstrap) return refused(request, [`${client}: it needs a token`], evidence);
  const identify = (measured: PeerEvidence): SessionIdentity => {
    const weak = unproven(measured);
    return { principal: principalOf(weak, trustDomain, client), evidence: weak };
  };
  return {
    admitted: true,
    waived,
    mayHold: (later, elsewhere) => {
      const again = later?.admit(evidence, elsewhere);
      return again?.admitted === true && again.client === client && (again.waived || again.bootstrap) &&
        (bootstrap || !again.bootstrap);
    },
    client,
    clients,
    grade,
    proof: "not-required",
    bootstrap,
    identity: identify(evidence),
    complete: async () => identify(await attestation.complete),
    stillAdmitted: (later, elsewhere) =>
      stillAdmitted({ ...request, clients: later, world: elsewhere }, { client, waived, bootstrap }),
    isConnected: () => attestation.remeasure() === undefined,
    isAlive: () => attestation.isAlive(),
    close: () => attestation.close(),
  };
}

/** What was not asked for at the admission cannot be made up for. */
async function stillAdmitted(
  request: LoopbackRequest,
  before: { readonly client: string; readonly waived: boolean; readonly bootstrap: boolean },
): Promise<boolean> {
  const again = await admitLoopback(request);
  return again.admitted && again.client === before.client && (again.waived || !before.waived) &&
    (before.bootstrap || !again.bootstrap);
}

function refused(
  { attestation, trustDomain }: LoopbackRequest,
  reasons: readonly string[],
  measured: PeerEvidence = attestation.immediate,
): RefusedPeer {
  const evidence = unproven(measured);
  const principal = principalOf(evidence, trustDomain);
  return { admitted: false, code: "ERR_PEER_REFUSED", reasons, identity: { principal, evidence } };
}
