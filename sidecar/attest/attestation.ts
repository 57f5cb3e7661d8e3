import type { Absent, Credentials, Fact, Lineage, PeerEvidence, Transport } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Attestation } from "./attest.ts";
import type { MeasuredLineage } from "./lineage.ts";
import type { MeasuredProcess } from "./measure.ts";
import { selectorsOf } from "./selectors.ts";

/** What was found out about a peer, before its digests. */
export interface Found {
  readonly transport: Transport;
  readonly credentials: Fact<Credentials>;
  readonly process: MeasuredProcess | Absent;
  readonly lineage: MeasuredLineage;
}

/** Takes ownership of the processes. Hashing begins at once and off the main thread. */
export function attestationOf(found: Found, digests: Digests): Attestation {
  const { process } = found;
  let closed = false;
  const immediate = evidenceOf(
    found,
    "absent" in process ? process : process.evidence,
    { end: found.lineage.end, ancestors: found.lineage.ancestors.map((ancestor) => ancestor.evidence) },
  );
  return {
    immediate,
    complete: complete(found, digests),
    stillSame: () => !closed && ("absent" in process || process.stillSame()),
    close() {
      closed = true;
      if (!("absent" in process)) process.close();
      for (const ancestor of found.lineage.ancestors) ancestor.close();
    },
  };
}

async function complete(found: Found, digests: Digests): Promise<PeerEvidence> {
  const { process, lineage } = found;
  const [peer, ...ancestors] = await Promise.all([
    "absent" in process ? process : process.complete(digests),
    ...lineage.ancestors.map((ancestor) => ancestor.complete(digests)),
  ]);
  return evidenceOf(found, peer!, {
    end: lineage.end,
    ancestors: ancestors.filter((hop) => !("absent" in hop)),
  });
}

function evidenceOf(found: Found, process: PeerEvidence["process"], lineage: Lineage): PeerEvidence {
  const { transport, credentials } = found;
  const immutable = !("absent" in found.process) && found.process.isImmutable();
  const selectors = selectorsOf({ transport, process, lineage, immutable });
  return { transport, credentials, process, lineage, selectors };
}
