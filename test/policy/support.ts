/** What the tests of the policy share: a world without a kernel, and short ways to load and ask. */
import * as assert from "uvu/assert";
import {
  type Decision,
  type DescribedProgram,
  loadPolicy,
  type Policy,
  type PolicyContext,
} from "../../policy/mod.ts";

export interface World {
  /** Symlinks: path to absolute target. */
  readonly links?: Readonly<Record<string, string>>;
  /** Folders that we may not look into. */
  readonly locked?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  /** The guard's own uid. @default {1000} */
  readonly ownUid?: number | null;
  /** `user:name` and `group:name` to numbers. */
  readonly accounts?: Readonly<Record<string, number>>;
  /** Digests of programs that `policy check` knows. */
  readonly programs?: Readonly<Record<string, DescribedProgram>>;
}

const VARIABLES = { HOME: "/home/me", PROJECT: "/home/me/project" };
const ACCOUNTS: Readonly<Record<string, number>> = {
  "user:me": 1000,
  "user:ci": 1001,
  "group:me": 1000,
  "group:docker": 999,
};

/** A context whose file system is the few links that are named. */
export function makeContext(world: World = {}): PolicyContext {
  const links = Object.entries(world.links ?? {});
  const realPath = (path: string, depth = 0): string | undefined => {
    if (depth > 40 || world.locked?.some((folder) => path.startsWith(`${folder}/`))) return undefined;
    const link = links.find(([from]) => path === from || path.startsWith(`${from}/`));
    return link === undefined ? path : realPath(link[1] + path.slice(link[0].length), depth + 1);
  };
  return {
    variables: { ...VARIABLES, ...world.variables },
    cwd: "/home/me/project",
    realPath: (path) => realPath(path),
    ...(world.ownUid === null ? {} : { ownUid: world.ownUid ?? 1000 }),
    accountId: (kind, name) => ({ ...ACCOUNTS, ...world.accounts })[`${kind}:${name}`],
    ...(world.programs === undefined ? {} : { describeDigest: (sha256) => world.programs![sha256] }),
  };
}

export async function load(text: string, world?: World): Promise<Policy> {
  const { policy, problems } = await loadPolicy(text, "test.yaml", makeContext(world));
  if (policy === undefined) {
    throw new Error(`The policy has errors: ${JSON.stringify(problems, undefined, 2)}`);
  }
  return policy;
}

/** A policy with these rules, as YAML flow maps. */
export function withRules(...rules: readonly string[]): string {
  return `version: 1\nname: test\nrules:\n${rules.map((rule) => `  - ${rule}\n`).join("")}`;
}

/** A policy with these clients, as YAML flow maps. */
export function withClients(...clients: readonly string[]): string {
  return `version: 1\nname: test\nclients:\n${clients.map((client) => `  - ${client}\n`).join("")}`;
}

/** The errors of a text that must not load, as `line:column message`. */
export async function errorsOf(text: string, world?: World): Promise<readonly string[]> {
  const { policy, problems } = await loadPolicy(text, "test.yaml", makeContext(world));
  assert.is(policy, undefined, "it was loaded");
  const errors = problems.filter((problem) => problem.severity === "error");
  return errors.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

/** `allow by read`, `deny by default`: a decision as the vectors write it. */
export function say({ effect, reason, rules }: Decision): string {
  return `${effect} by ${reason === "rule" ? rules.join(", ") : reason}`;
}
