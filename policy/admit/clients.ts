/** The entries of `clients` as one: who is admitted, and under which name. */
import type { Admission, AdmissionWorld, ClientEvidence, Clients, TrustedDigest } from "../clients.ts";
import { mayBe } from "./account.ts";
import { type ClientEntry, isAccount, matchEntry, wantsOf } from "./entry.ts";
import type { DigestSet, ProgramPattern } from "./program.ts";
import { differs, type Finding, mismatch } from "./worth.ts";

/** @param entries In the order of the file: the first that matches names the principal. */
export function openClients(entries: readonly ClientEntry[]): Clients {
  return {
    names: entries.map(({ name }) => name),
    needsBootstrap: entries.some(({ bootstrap }) => bootstrap),
    wants: new Set(entries.flatMap(wantsOf)),
    trustNames: Array.from(new Set(entries.flatMap(digestSets).flatMap(({ trust }) => trust))),
    mayAdmit: ({ uid }) => entries.some(({ account }) => mayBe(account, uid)),
    admit: (evidence, world) => admit(entries, evidence, { ...world, trusted: onceEach(world.trusted) }),
  };
}

function admit(
  entries: readonly ClientEntry[],
  evidence: ClientEvidence,
  world: AdmissionWorld,
): Admission {
  const reasons: { client: string; because: string }[] = [];
  for (const entry of entries) {
    const finding = judge(entry, evidence, world);
    if (!differs(finding)) {
      const { name, proof, sender, waived, bootstrap } = entry;
      const { grade } = finding;
      const account = isAccount(entry);
      return { admitted: true, client: name, grade, account, proof, waived, sender, bootstrap };
    }
    reasons.push({ client: entry.name, because: finding.mismatch });
  }
  return { admitted: false, reasons };
}

/** Whatever is thrown, by evidence of another form or by a trust file that cannot be read, admits nobody. */
function judge(entry: ClientEntry, evidence: ClientEvidence, world: AdmissionWorld): Finding {
  try {
    return matchEntry(entry, evidence, world);
  } catch {
    return mismatch("it could not be judged");
  }
}

/** The trust file may change meanwhile: all that one admission rests on must have been in it together. */
function onceEach(trusted: AdmissionWorld["trusted"]): AdmissionWorld["trusted"] {
  const read = new Map<string, readonly TrustedDigest[]>();
  return (name) => {
    const digests = read.get(name) ?? trusted(name);
    read.set(name, digests);
    return digests;
  };
}

function digestSets({ program, parents }: ClientEntry): readonly DigestSet[] {
  const programs = [program, ...(parents ?? [])].filter((one) => typeof one === "object");
  return programs.flatMap((one: ProgramPattern) => [one.executable?.digests, one.script?.digests])
    .filter((set) => set !== undefined);
}
