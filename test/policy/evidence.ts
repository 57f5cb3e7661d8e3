/** Evidence as the stories in `admission/` write it: an ordinary peer, and what is different about this one. */
import type { ClientEvidence, ProcessFacts, RuntimeKind } from "../../policy/mod.ts";
import { absent, type Fact, type Grade, known } from "../../policy/fact.ts";

/** A value, at the grade such a fact has with the ordinary peer; another grade; or why there is none. */
export type Told<T> = T | { readonly value?: T; readonly grade: Grade } | { readonly absent: string };

export interface ToldProcess {
  readonly uid?: Told<number>;
  readonly gid?: Told<number>;
  readonly groups?: Told<readonly number[]>;
  readonly path?: Told<string>;
  readonly sha256?: Told<string>;
  readonly immutable?: Told<true>;
  readonly runtime?: Told<RuntimeKind>;
  readonly script_path?: Told<string>;
  readonly script_sha256?: Told<string>;
  readonly argv?: Told<readonly string[]>;
  readonly loaders?: Told<readonly string[]>;
  readonly mappings?: Told<readonly string[]>;
}

export interface ToldPeer extends ToldProcess {
  readonly transport?: string;
  /** What the kernel pinned, or why it did not; the process's own unless given. */
  readonly credentials?: Told<{ readonly uid: number; readonly gid: number }>;
  /** Why there is no process. */
  readonly gone?: string;
  readonly ancestors?: readonly ToldProcess[];
  readonly end?: string;
  readonly selectors?: readonly string[];
}

const NOTHING = absent("none");

/** `@a` stands for a digest; each has a letter in it, so that YAML takes none for a number. */
export function digest(text: string): string {
  return text.replace(/^@([0-9a-f])$/, (_, digit: string) => `${digit}f`.repeat(32));
}

/** A peer over a Unix socket: uid 1000, a native program whose digest is `@a`, and nothing odd about it. */
export function peer(told: ToldPeer = {}): ClientEvidence {
  const process = processOf(told, "measured");
  const pinned = { pid: 10, uid: valueOf(told.uid, 1000), gid: valueOf(told.gid, 1000) };
  const credentials = tell(told.credentials, pinned, "kernel");
  return {
    transport: told.transport ?? "unix",
    credentials: "absent" in credentials
      ? credentials
      : { grade: credentials.grade, value: { ...credentials.value, pid: 10 } },
    process: told.gone === undefined ? process : absent(told.gone),
    lineage: {
      ancestors: (told.ancestors ?? []).map((ancestor) => processOf(ancestor, "lineage")),
      end: told.end ?? "init",
    },
    selectors: told.selectors ?? [],
  };
}

function processOf(told: ToldProcess, measured: Grade): ProcessFacts {
  const path = tell(told.path, "/opt/agent", measured);
  return {
    uid: tell(told.uid, 1000, "kernel"),
    gid: tell(told.gid, 1000, "kernel"),
    groups: tell(told.groups, [27], "kernel"),
    executable: {
      path,
      sha256: mapped(tell(told.sha256, "@a", measured), digest),
      immutable: told.immutable === undefined
        ? absent("not-roots")
        : tell<true>(told.immutable, true, "immutable"),
      runtime: tell<RuntimeKind>(told.runtime, "native", measured),
    },
    script: {
      path: told.script_path === undefined ? NOTHING : tell(told.script_path, "", "heuristic"),
      sha256: told.script_sha256 === undefined
        ? NOTHING
        : mapped(tell(told.script_sha256, "", "heuristic"), digest),
    },
    argv: tell(told.argv, ["agent"], "heuristic"),
    loaders: tell(told.loaders, [], "heuristic"),
    mappings: tell(told.mappings, [], "heuristic"),
  };
}

function tell<T>(told: Told<T> | undefined, ordinary: T, grade: Grade): Fact<T> {
  if (told === undefined) return known(ordinary, grade);
  if (typeof told === "object" && told !== null) {
    if ("absent" in told) return absent(told.absent);
    if ("grade" in told) return known(told.value ?? ordinary, told.grade);
  }
  return known(told as T, grade);
}

function valueOf<T>(told: Told<T> | undefined, ordinary: T): T {
  const fact = tell(told, ordinary, "kernel");
  return "absent" in fact ? ordinary : fact.value;
}

function mapped(fact: Fact<string>, map: (value: string) => string): Fact<string> {
  return "absent" in fact ? fact : known(map(fact.value), fact.grade);
}
