import {
  absent,
  type Fact,
  isKnown,
  type PeerEvidence,
  type ProcessEvidence,
} from "../../model/evidence.ts";
import type { SessionIdentity } from "../audit-log.ts";
import { boundedQuote, quote } from "./text.ts";

/** A path longer than this is cut; the mark then carries the digest of the whole. */
const PATH_LIMIT = 512;
/** Where attestation stops climbing. */
const MAX_ANCESTORS = 16;

/**
 * The `who` of every record of a session, as JSON text: made once, since it stands in each of them.
 *
 * Facts keep their grade; a fact that could not be had is named by its reason (`sha256_absent`), never left out and
 * never a default.
 */
export function identityText(identity: SessionIdentity): string {
  const { principal, evidence } = identity;
  return `{"principal":${boundedQuote(principal.name)},"id":${boundedQuote(principal.id)}` +
    `,"transport":"${evidence.transport}"${processText(evidence)}${lineageText(evidence)}}`;
}

function processText(evidence: PeerEvidence): string {
  const { credentials, process } = evidence;
  const named = "absent" in process ? undefined : process;
  // The kernel's word at connect comes before what was read of the process later.
  const pid = isKnown(credentials)
    ? `,"pid":${credentials.value.pid},"pid_grade":"${credentials.grade}"`
    : named === undefined
    ? `,"pid_absent":${quote(credentials.absent)}`
    : `,"pid":${named.pid}`;
  const uid: Fact<number> = isKnown(credentials)
    ? { value: credentials.value.uid, grade: credentials.grade }
    : named?.uid ?? credentials;
  return `${pid}${factText("uid", uid)}${executableText(process)}`;
}

function executableText(process: PeerEvidence["process"]): string {
  const unread = "absent" in process ? absent(process.absent) : undefined;
  const named = process as ProcessEvidence;
  return factText("pidfd_inode", unread ?? named.pidfdInode) +
    `,"executable":{${factText("path", unread ?? named.executable.path).slice(1)}` +
    `${factText("sha256", unread ?? named.executable.sha256)}}`;
}

function lineageText(evidence: PeerEvidence): string {
  const { ancestors, end } = evidence.lineage;
  const shown = ancestors.slice(0, MAX_ANCESTORS).map((ancestor) =>
    `{"pid":${ancestor.pid}${factText("path", ancestor.executable.path)}` +
    `${factText("sha256", ancestor.executable.sha256)}}`
  );
  const more = ancestors.length > MAX_ANCESTORS ? `,"lineage_more":${ancestors.length - MAX_ANCESTORS}` : "";
  return `,"lineage":[${shown.join(",")}],"lineage_end":"${end}"${more}`;
}

function factText(name: string, fact: Fact<string | number>): string {
  if (!isKnown(fact)) return `,"${name}_absent":${boundedQuote(fact.absent)}`;
  const value = typeof fact.value === "number" ? String(fact.value) : boundedQuote(fact.value, PATH_LIMIT);
  return `,"${name}":${value},"${name}_grade":"${fact.grade}"`;
}
