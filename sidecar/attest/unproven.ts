import {
  type ExecutableEvidence,
  type Fact,
  type Grade,
  isKnown,
  known,
  type PeerEvidence,
} from "../model/evidence.ts";
import { lower } from "../../policy/fact.ts";

/**
 * The evidence of a peer that need not prove that it is the one that speaks: what was measured of it then says less.
 * Who spawned us is still a process among our ancestors; who connected may have been anybody before.
 */
export function unproven(evidence: PeerEvidence): PeerEvidence {
  const { process, transport } = evidence;
  if ("absent" in process) return evidence;
  const worst: Grade = transport === "unix" || transport === "tcp" ? "heuristic" : "lineage";
  const cap = <T>(fact: Fact<T>): Fact<T> =>
    isKnown(fact) ? known(fact.value, lower(fact.grade, worst)) : fact;
  const { path, sha256, immutable, runtime } = process.executable;
  const executable: ExecutableEvidence = {
    path: cap(path),
    sha256: cap(sha256),
    immutable: cap(immutable),
    runtime: cap(runtime),
  };
  return { ...evidence, process: { ...process, executable } };
}
