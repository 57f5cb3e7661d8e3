import type { Lineage, ProcessEvidence, WantedFact } from "../model/evidence.ts";
import { GuardError } from "../model/errors.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform } from "../platform/platform.ts";
import { walkLineage } from "./lineage.ts";
import { measureProcess } from "./measure.ts";
import { selectorsOf } from "./selectors.ts";

/** Evidence of a process that is nobody's peer: for showing to a person, not for admitting anyone. */
export interface ProcessAttestation {
  /** The process itself, digest included. */
  readonly process: ProcessEvidence;
  /** Its ancestors, digests included. */
  readonly lineage: Lineage;
  /** What a policy could ask for; facts that the process could have written itself are not among them. */
  readonly selectors: readonly string[];
}

/** Of whom nobody asked no command line is shown. */
const OF_ANCESTORS: ReadonlySet<WantedFact> = new Set<WantedFact>(["script"]);

/**
 * Measures the process that has this number now, and its ancestors. Nobody has proven that it is the one that was
 * meant, hence the grade `lineage`.
 *
 * @throws {GuardError} `ERR_PEER_GONE` when there is no such process, or none that we can see.
 */
export async function attestProcess(
  platform: Platform,
  pid: number,
  digests: Digests,
): Promise<ProcessAttestation> {
  const handle = platform.openProcess(pid);
  if (handle === undefined) throw new GuardError("ERR_PEER_GONE", `Cannot attest process ${pid}: not found`);
  const measured = measureProcess(handle, { grade: "lineage", accountGrade: "kernel" });
  const uid = measured.evidence.uid;
  const lineage = "absent" in uid
    ? { ancestors: [], end: "unreadable" as const }
    : walkLineage(platform, handle, uid.value, "lineage");
  try {
    const [process, ...ancestors] = await Promise.all([
      measured.complete(digests),
      ...lineage.ancestors.map((each) => each.complete(digests, OF_ANCESTORS)),
    ]);
    const complete: Lineage = { end: lineage.end, ancestors };
    const selectors = selectorsOf({
      process: process!,
      lineage: complete,
      immutable: measured.isImmutable(),
    });
    return { process: process!, lineage: complete, selectors };
  } finally {
    for (const each of [measured, ...lineage.ancestors]) each.close();
  }
}
