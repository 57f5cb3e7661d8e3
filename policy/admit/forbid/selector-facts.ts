/**
 * The facts behind selectors: what `forbid` needs, since a selector that is missing may mean that the peer does not
 * have it or that nobody could tell.
 */
import type { ClientEvidence, ProcessFacts, WantedFact } from "../../clients.ts";
import { type Fact, isKnown } from "../../fact.ts";
import { accountOf } from "../account.ts";
import { RUNTIME_KINDS } from "../runtime.ts";

/** What stands behind `type:key:`, so that one that no peer ever has is found when the policy is loaded. */
interface ValueForm {
  readonly pattern: RegExp;
  /** What it may look like with `*` in it. */
  readonly wild: RegExp;
  /** Completes "must be …". */
  readonly says: string;
}

/** One kind of selector. */
export interface SelectorFact {
  readonly wants?: WantedFact;
  readonly form: ValueForm;
  /** Every value that the peer has; undefined when that cannot be told for all of them. */
  values(evidence: ClientEvidence): readonly string[] | undefined;
}

const ID: ValueForm = { pattern: /^(0|[1-9][0-9]{0,9})$/, wild: /^[0-9*]{1,10}$/, says: "a number" };
const DIGEST: ValueForm = {
  pattern: /^[0-9a-f]{64}$/,
  wild: /^[0-9a-f*]{1,64}$/,
  says: "a sha256 digest of 64 lower-case hex digits",
};
const CHAINED: ValueForm = {
  pattern: /^sha256:[0-9a-f]{64}$/,
  wild: /^sha256:[0-9a-f*]{1,64}$/,
  says: "sha256: and a digest",
};
const PATH: ValueForm = { pattern: /^\/./, wild: /^[/*]/, says: "an absolute path" };
const NAMESPACE: ValueForm = { pattern: /^(same|other)$/, wild: /^[a-z*]+$/, says: "same or other" };
const KIND: ValueForm = {
  pattern: new RegExp(`^(${RUNTIME_KINDS.join("|")})$`),
  wild: /^[a-z*-]+$/,
  says: `one of ${RUNTIME_KINDS.join(", ")}`,
};
const LABEL: ValueForm = { pattern: /./, wild: /./, says: "a label" };
const VARIABLE: ValueForm = {
  pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
  wild: /^[A-Za-z0-9_*]+$/,
  says: "the name of an environment variable",
};
const MODE: ValueForm = { pattern: /^(stdio|unix|tcp)$/, wild: /^[a-z*]+$/, says: "stdio, unix or tcp" };

const one = <T>(fact: Fact<T>): string[] | undefined => isKnown(fact) ? [String(fact.value)] : undefined;
const several = <T>(fact: Fact<readonly T[]>): string[] | undefined =>
  isKnown(fact) ? fact.value.map(String) : undefined;

/** Of the peer's own process. */
function ofProcess(
  wants: WantedFact,
  form: ValueForm,
  read: (process: ProcessFacts) => string[] | undefined,
): SelectorFact {
  return { wants, form, values: ({ process }) => "absent" in process ? undefined : read(process) };
}

/** What is known by its selectors only: none of its kind means that it could not be told. */
function bySelector(prefix: string, form: ValueForm): SelectorFact {
  return {
    form,
    values({ selectors }) {
      const values = selectors.filter((it) => it.startsWith(prefix)).map((it) => it.slice(prefix.length));
      return values.length === 0 ? undefined : values;
    },
  };
}

/** By `type:key`. Names of users and groups are turned into numbers before they come here. */
export const SELECTOR_FACTS: ReadonlyMap<string, SelectorFact> = new Map([
  ["unix:uid", { form: ID, values: (evidence: ClientEvidence) => one(accountOf(evidence).uid) }],
  ["unix:gid", { form: ID, values: (evidence: ClientEvidence) => one(accountOf(evidence).gid) }],
  [
    "unix:supplementary_gid",
    { form: ID, values: (evidence: ClientEvidence) => several(accountOf(evidence).groups) },
  ],
  ["unix:path", ofProcess("executable", PATH, ({ executable }) => one(executable.path))],
  ["unix:sha256", ofProcess("executable", DIGEST, ({ executable }) => one(executable.sha256))],
  ["proc:interpreter", ofProcess("executable", KIND, ({ executable }) => one(executable.runtime))],
  ["proc:script_path", ofProcess("script", PATH, ({ script }) => one(script.path))],
  ["proc:script_sha256", ofProcess("script", DIGEST, ({ script }) => one(script.sha256))],
  ["proc:env", ofProcess("loaders", VARIABLE, ({ loaders }) => several(loaders))],
  ["proc:label", bySelector("proc:label:", LABEL)],
  ["ns:pid", bySelector("ns:pid:", NAMESPACE)],
  ["ns:mnt", bySelector("ns:mnt:", NAMESPACE)],
  [
    "sock:mode",
    {
      form: MODE,
      values: ({ transport }: ClientEvidence) => [transport.startsWith("stdio") ? "stdio" : transport],
    },
  ],
  ["chain:any", { wants: "parents", form: CHAINED, values: anyAncestor }],
]);

/** `chain:<n>`, 0 being the parent. */
export function ancestorFact(hop: number): SelectorFact {
  const values = ({ lineage }: ClientEvidence): string[] | undefined => {
    const ancestor = lineage.ancestors[hop];
    if (ancestor !== undefined) return digestOf(ancestor);
    return isWhole(lineage.end) ? [] : undefined;
  };
  return { wants: "parents", form: CHAINED, values };
}

function anyAncestor(evidence: ClientEvidence): string[] | undefined {
  const { ancestors, end } = evidence.lineage;
  if (!isWhole(end)) return undefined;
  const all = ancestors.flatMap((ancestor, at) => {
    const last = end === "other-uid" && at === ancestors.length - 1;
    const digest = digestOf(ancestor);
    // Another user's program, with which the chain ends, can mostly not be read, and is not one of ours.
    return last && digest === undefined && isStranger(ancestor, evidence) ? [] : [digest];
  });
  return all.includes(undefined) ? undefined : all.flatMap((digest) => digest ?? []);
}

function digestOf({ executable }: ProcessFacts): string[] | undefined {
  return isKnown(executable.sha256) ? [`sha256:${executable.sha256.value}`] : undefined;
}

function isWhole(end: string): boolean {
  return end === "init" || end === "other-uid";
}

function isStranger(ancestor: ProcessFacts, evidence: ClientEvidence): boolean {
  const own = accountOf(evidence).uid;
  return isKnown(own) && isKnown(ancestor.uid) && own.value !== ancestor.uid.value;
}

/** For names that are numbers to the kernel: the key that holds the number. */
export const NAMED: Readonly<Record<string, readonly [key: string, kind: "user" | "group"]>> = {
  "unix:user": ["unix:uid", "user"],
  "unix:group": ["unix:gid", "group"],
  "unix:supplementary_group": ["unix:supplementary_gid", "group"],
};
