/**
 * Who started the command that wants something trusted.
 *
 * Defends against an agent with a shell that is asked, or talked into, trusting a program for itself. Leaves to others:
 * a program that detaches itself first (its orphan descends from nobody), as any program of the user can.
 */
import {
  type AdmissionWorld,
  attestProcess,
  type Clients,
  type Digests,
  type Fact,
  type Lineage,
  openPlatform,
  type ProcessEvidence,
  type TrustEntries,
} from "../../sidecar/mod.ts";

/** Ends after which there may be ancestors that were not seen, though they could have been. */
const CUT: ReadonlySet<Lineage["end"]> = new Set(["depth", "budget", "broken", "pending"]);

/** The ancestors of this process, nearest first, or why they cannot be told. */
export async function findAncestors(digests: Digests): Promise<readonly ProcessEvidence[] | string> {
  const { lineage } = await attestProcess(openPlatform(), process.pid, digests);
  if (CUT.has(lineage.end)) return `who started this command cannot be told (${lineage.end})`;
  return lineage.ancestors;
}

/**
 * Why these ancestors must not trust anything.
 *
 * @param clients Those of a policy that was given.
 * @returns undefined when none of them is trusted already. One that cannot be measured is passed over: every session of
 * sshd has such a one.
 */
export function refusalOf(
  ancestors: readonly ProcessEvidence[],
  entries: TrustEntries,
  clients: Clients | undefined,
): string | undefined {
  for (const [at, ancestor] of ancestors.entries()) {
    const name = trustedAs(ancestor, entries);
    const client = clients === undefined
      ? undefined
      : clientOf(ancestor, ancestors.slice(at + 1), clients, entries);
    if (name === undefined && client === undefined) continue;
    const who = name === undefined ? `is client '${client}' of that policy` : `is trusted as '${name}'`;
    return `it was started by process ${ancestor.pid}, which ${who}; ` +
      "a program that is trusted may not say what else is: use a terminal that none of them started";
  }
  return undefined;
}

function trustedAs({ executable: { sha256 } }: ProcessEvidence, entries: TrustEntries): string | undefined {
  if ("absent" in sha256) return undefined;
  const all = [...entries];
  return all.find(([, records]) => records.some((each) => each.sha256 === sha256.value))?.[0];
}

/**
 * The entry that this process would match if it were a peer, at its very best: whatever keeps it out only because it is
 * not one here (grades, who speaks, what its environment and command line hold) is taken to be as the entry wants it.
 *
 * An entry for a whole account is nobody in particular: the person at the terminal has that account too.
 */
function clientOf(
  process: ProcessEvidence,
  ancestors: readonly ProcessEvidence[],
  clients: Clients,
  entries: TrustEntries,
): string | undefined {
  const peer = atBest(process);
  const { pid, uid, gid } = peer;
  const credentials = "value" in uid && "value" in gid
    ? { value: { pid, uid: uid.value, gid: gid.value }, grade: "kernel" as const }
    : { absent: "uid-unknown" };
  const lineage = { ancestors: ancestors.map(atBest), end: "init" };
  const trusted: AdmissionWorld["trusted"] = (name) => entries.get(name) ?? [];
  for (const via of ["direct", "shim"] as const) {
    const evidence = { transport: "unix", credentials, process: peer, lineage, selectors: [] };
    const admission = clients.admit(evidence, { trusted, via });
    if (admission.admitted && !admission.account) return admission.client;
  }
  return undefined;
}

function atBest(process: ProcessEvidence): ProcessEvidence {
  const { executable, script } = process;
  const nothing = { value: [], grade: "kernel" as const };
  return {
    ...process,
    uid: lifted(process.uid),
    gid: lifted(process.gid),
    groups: lifted(process.groups),
    executable: {
      path: lifted(executable.path),
      sha256: lifted(executable.sha256),
      immutable: lifted(executable.immutable),
      runtime: lifted(executable.runtime),
    },
    script: { path: lifted(script.path), sha256: lifted(script.sha256) },
    argv: nothing,
    loaders: nothing,
    mappings: nothing,
  };
}

function lifted<T>(fact: Fact<T>): Fact<T> {
  return "absent" in fact ? fact : { value: fact.value, grade: "kernel" };
}
