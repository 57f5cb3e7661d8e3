/** Selectors, spelled as SPIRE's unix attestor spells them where it has the same one: `type:key:value`. */
import {
  type Fact,
  isKnown,
  type Lineage,
  type PeerEvidence,
  type ProcessEvidence,
} from "../model/evidence.ts";
import { accountName } from "../platform/accounts.ts";
import { isRelied } from "./relied.ts";

export interface SelectorSource {
  readonly transport?: PeerEvidence["transport"];
  readonly process: PeerEvidence["process"];
  readonly lineage: Lineage;
  readonly immutable: boolean;
}

/** A fact that is absent, or that the peer could have written itself, yields no selector; nothing stands in for it. */
export function selectorsOf(source: SelectorSource): readonly string[] {
  const { transport, process, lineage } = source;
  return [
    ...(transport === undefined ? [] : [`sock:mode:${transport.startsWith("stdio") ? "stdio" : transport}`]),
    ...("absent" in process ? [] : processSelectors(process, source.immutable)),
    ...chainSelectors(lineage),
  ];
}

function processSelectors(process: ProcessEvidence, immutable: boolean): string[] {
  return [
    ...each(process.uid, (uid) => [`unix:uid:${uid}`, ...named("user", uid)]),
    ...each(process.gid, (gid) => [`unix:gid:${gid}`, ...named("group", gid)]),
    ...each(process.groups, (groups) => groups.flatMap(supplementary)),
    ...each(process.executable.path, (path) => [`unix:path:${path}`]),
    ...each(process.executable.sha256, (digest) => [`unix:sha256:${digest}`]),
    ...(immutable && isRelied(process.executable.path) ? ["proc:exe_immutable:true"] : []),
    ...each(process.label, (label) => [`proc:label:${label}`]),
    ...each(process.namespaces.pid, (which) => [`ns:pid:${which}`]),
    ...each(process.namespaces.mnt, (which) => [`ns:mnt:${which}`]),
    ...ownWord(process),
  ];
}

/** The process's own word, under a type of its own: it may speak against a peer, and is shown; nothing rests on it. */
function ownWord({ executable: { runtime }, script, loaders, mappings }: ProcessEvidence): string[] {
  // Where anybody may be at the other end it is not even the peer's.
  if (!isRelied(runtime)) return [];
  return [
    ...known(runtime, (kind) => kind === "native" ? [] : [`proc:interpreter:${kind}`]),
    ...known(script.path, (path) => [`proc:script_path:${path}`]),
    ...known(script.sha256, (digest) => [`proc:script_sha256:${digest}`]),
    ...known(loaders, (names) => names.map((name) => `proc:env:${name}`)),
    ...known(mappings, (paths) => paths.map((path) => `proc:mapped:${path}`)),
  ];
}

function known<T>(fact: Fact<T>, selectors: (value: T) => string[]): string[] {
  return isKnown(fact) ? selectors(fact.value) : [];
}

function supplementary(gid: number): string[] {
  const name = accountName("group", gid);
  return [
    `unix:supplementary_gid:${gid}`,
    ...(name === undefined ? [] : [`unix:supplementary_group:${name}`]),
  ];
}

function chainSelectors(lineage: Lineage): string[] {
  const numbered = lineage.ancestors.flatMap((ancestor, hop) =>
    each(ancestor.executable.sha256, (digest) => [`chain:${hop}:sha256:${digest}`])
  );
  const any = numbered.map((selector) => `chain:any:sha256:${selector.slice(-64)}`);
  const parent = lineage.ancestors[0];
  const whole = parent !== undefined && isRelied(parent.uid) &&
    (lineage.end === "init" || lineage.end === "other-uid");
  return [...numbered, ...new Set(any), ...(whole ? ["chain:unbroken:true"] : [])];
}

function each<T>(fact: Fact<T>, selectors: (value: T) => string[]): string[] {
  return isRelied(fact) ? selectors(fact.value) : [];
}

function named(kind: "user" | "group", id: number): string[] {
  const name = accountName(kind, id);
  return name === undefined ? [] : [`unix:${kind}:${name}`];
}
