import { type Fact, isKnown, type PeerEvidence } from "../../model/evidence.ts";

/**
 * What is known of a peer beside its `who`, for the record that begins its session or refuses it: each fact with its
 * grade, or the reason why there is none. What nobody asked for is left out. No word of its command line and no value of
 * its environment: they may be secrets.
 */
export function evidenceDetail({ process }: PeerEvidence): Readonly<Record<string, unknown>> {
  if ("absent" in process) return {};
  const { executable, script, loaders, mappings, groups, label, namespaces } = process;
  return Object.assign(
    {},
    stated("kind", executable.runtime),
    stated("immutable", executable.immutable),
    stated("script_path", script.path),
    stated("script_sha256", script.sha256),
    stated("loaders", loaders),
    stated("mappings", mappings),
    stated("groups", groups),
    stated("label", label),
    stated("ns_pid", namespaces.pid),
    stated("ns_mnt", namespaces.mnt),
  );
}

function stated(name: string, fact: Fact<unknown>): object {
  if (isKnown(fact)) return { [name]: fact.value, [`${name}_grade`]: fact.grade };
  return fact.absent === "not-gathered" ? {} : { [`${name}_absent`]: fact.absent };
}
