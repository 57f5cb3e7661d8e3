/**
 * Who started the command that wants something trusted.
 *
 * Defends against an agent with a shell that is asked, or talked into, trusting a program for itself. Leaves to others:
 * a program that detaches itself first (its orphan descends from nobody), as any program of the user can.
 */
import {
  attestProcess,
  type Digests,
  type Lineage,
  openPlatform,
  type ProcessEvidence,
  type TrustEntries,
} from "../../sidecar/mod.ts";

/** Ends after which there may be ancestors that were not seen, though they could have been. */
const CUT: ReadonlySet<Lineage["end"]> = new Set(["depth", "budget", "broken"]);

/** The ancestors of this process, nearest first, or why they cannot be told. */
export async function findAncestors(digests: Digests): Promise<readonly ProcessEvidence[] | string> {
  const { lineage } = await attestProcess(openPlatform(), process.pid, digests);
  if (CUT.has(lineage.end)) return `who started this command cannot be told (${lineage.end})`;
  return lineage.ancestors;
}

/**
 * Why these ancestors must not trust anything.
 *
 * @returns undefined when none of them is trusted already. One that cannot be measured is passed over: every session of
 * sshd has such a one.
 */
export function refusalOf(
  ancestors: readonly ProcessEvidence[],
  entries: TrustEntries,
): string | undefined {
  for (const { pid, executable } of ancestors) {
    const { sha256 } = executable;
    if ("absent" in sha256) continue;
    for (const [name, records] of entries) {
      if (!records.some((each) => each.sha256 === sha256.value)) continue;
      return `it was started by process ${pid}, which is trusted as '${name}'; ` +
        "a program that is trusted may not say what else is: use another terminal";
    }
  }
  return undefined;
}
