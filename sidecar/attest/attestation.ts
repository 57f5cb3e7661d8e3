import type {
  Absent,
  Credentials,
  Fact,
  Lineage,
  PeerEvidence,
  Transport,
  WantedFact,
} from "../model/evidence.ts";
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
  /** Whether that process is taken to be the one at the other end: then the peer ends with it. */
  readonly speaks: boolean;
  /** Walks the ancestors: asked once, and only when somebody wants to know. */
  readonly walk: () => MeasuredLineage;
}

const ALL: ReadonlySet<WantedFact> = new Set<WantedFact>([
  "executable",
  "script",
  "argv",
  "loaders",
  "mappings",
  "parents",
  "parent-scripts",
]);
const NOT_WALKED: Lineage = { ancestors: [], end: "pending" };

/** Takes ownership of the processes. Nothing is hashed before it is asked for, and then off the main thread. */
export function attestationOf(found: Found, digests: Digests): Attestation {
  const measured = "absent" in found.process ? undefined : found.process;
  const speaker = found.speaks ? measured : undefined;
  let lineage: MeasuredLineage | undefined;
  let complete: Promise<PeerEvidence> | undefined;
  let closed = false;
  const gather = async (wants: ReadonlySet<WantedFact>): Promise<PeerEvidence> => {
    if (wants.has("parents") && !closed) lineage ??= found.walk();
    const hops = wants.has("parents") ? lineage : undefined;
    const [process, ...ancestors] = await Promise.all([
      measured === undefined ? found.process as Absent : measured.complete(digests, wants),
      ...(hops?.ancestors ?? []).map((hop) => hop.complete(digests, ofAncestor(wants))),
    ]);
    const walked = hops === undefined
      ? NOT_WALKED
      : { end: hops.end, ancestors: ancestors.filter((hop) => !("absent" in hop)) };
    return evidenceOf(found, process!, walked);
  };
  return {
    immediate: evidenceOf(found, measured?.evidence ?? found.process as Absent, NOT_WALKED),
    gather,
    get complete() {
      return complete ??= gather(ALL);
    },
    remeasure: () => closed ? "closed" : measured?.remeasure(),
    isAlive: () => !closed && (speaker === undefined || speaker.handle.isAlive()),
    stillSame: () => !closed && (speaker === undefined || speaker.stillSame()),
    close() {
      closed = true;
      measured?.close();
      for (const hop of lineage?.ancestors ?? []) hop.close();
    },
  };
}

/** Of an ancestor nobody asks more than what it runs. */
function ofAncestor(wants: ReadonlySet<WantedFact>): ReadonlySet<WantedFact> {
  return new Set<WantedFact>(wants.has("parent-scripts") ? ["executable", "script"] : ["executable"]);
}

function evidenceOf(found: Found, process: PeerEvidence["process"], lineage: Lineage): PeerEvidence {
  const { transport, credentials } = found;
  const immutable = !("absent" in found.process) && found.process.isImmutable();
  const selectors = selectorsOf({ transport, process, lineage, immutable });
  return { transport, credentials, process, lineage, selectors };
}
