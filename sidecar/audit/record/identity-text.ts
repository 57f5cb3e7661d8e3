import {
  absent,
  type Fact,
  isKnown,
  known,
  type PeerEvidence,
  type ProcessEvidence,
} from "../../model/evidence.ts";
import type { SessionIdentity } from "../audit-log.ts";
import { boundedQuote } from "./text.ts";

/** A path longer than this is cut; the mark then carries the digest of the whole. */
const PATH_LIMIT = 512;
/** Where attestation stops climbing. */
const MAX_ANCESTORS = 16;

type Facts = Readonly<Record<string, Fact<string | number>>>;

/**
 * The `who` of every record of a session, as JSON text: made once, since it stands in each of them.
 *
 * Facts keep their grade, and a fact that could not be had is named by its reason (`sha256_absent`): it is never left
 * out and never a default. Where all facts of an object share a grade it is said once, as `grade`.
 */
export function identityText(identity: SessionIdentity): string {
  const { principal, evidence } = identity;
  return `{"principal":${boundedQuote(principal.name)},"id":${boundedQuote(principal.id)}` +
    `,"transport":"${evidence.transport}",${factsText(peerFacts(evidence))}` +
    `,"executable":{${factsText(executableFacts(evidence.process))}}${lineageText(evidence)}}`;
}

function peerFacts({ credentials, process, transport }: PeerEvidence): Facts {
  const read = "absent" in process ? undefined : process;
  const pidfd_inode = read?.pidfdInode ?? absent((process as { absent: string }).absent);
  if (isKnown(credentials)) {
    // The kernel's word at connect comes before what was read of the process later.
    const { value: { pid, uid }, grade } = credentials;
    return { pid: known(pid, grade), uid: known(uid, grade), pidfd_inode };
  }
  // Without credentials the pid is whichever process attestation found at the other end.
  if (read === undefined) return { pid: credentials, uid: credentials, pidfd_inode };
  // Over TCP nobody may be known to hold the other end, and then there is no pid.
  const pid = read.pid > 0 ? known(read.pid, transport === "tcp" ? "heuristic" : "lineage") : pidfd_inode;
  return { pid, uid: read.uid, pidfd_inode };
}

function executableFacts(process: PeerEvidence["process"]): Facts {
  if ("absent" in process) return { path: process, sha256: process };
  const { path, sha256 } = process.executable;
  return { path, sha256 };
}

function lineageText({ lineage: { ancestors, end } }: PeerEvidence): string {
  const shown = ancestors.slice(0, MAX_ANCESTORS).map(ancestorText);
  const more = ancestors.length > MAX_ANCESTORS ? `,"lineage_more":${ancestors.length - MAX_ANCESTORS}` : "";
  return `,"lineage":[${shown.join(",")}],"lineage_end":"${end}"${more}`;
}

function ancestorText(ancestor: ProcessEvidence): string {
  return `{"pid":${ancestor.pid},${factsText(executableFacts(ancestor))}}`;
}

function factsText(facts: Facts): string {
  const named = Object.entries(facts);
  const grades = new Set(named.map(([, fact]) => isKnown(fact) ? fact.grade : undefined));
  const [grade] = grades;
  if (grades.size === 1 && grade !== undefined) {
    const values = named.map(([name, fact]) => `"${name}":${isKnown(fact) ? valueText(fact.value) : "null"}`);
    return `${values.join(",")},"grade":"${grade}"`;
  }
  return named.map(([name, fact]) =>
    isKnown(fact)
      ? `"${name}":${valueText(fact.value)},"${name}_grade":"${fact.grade}"`
      : `"${name}_absent":${boundedQuote(fact.absent)}`
  ).join(",");
}

function valueText(value: string | number): string {
  return typeof value === "number" ? String(value) : boundedQuote(value, PATH_LIMIT);
}
