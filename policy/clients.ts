/**
 * Who may connect: the policy's `clients`, judged against evidence. Types only; `admit/` makes one.
 *
 * The evidence is described by structure, so that the policy depends on nobody: `PeerEvidence` of the sidecar's model
 * has this shape.
 */
import type { Fact, Grade } from "./fact.ts";

/** The image that a process runs. */
export interface ExecutableFacts {
  /** Absent when no path leads to what runs, or it is seen from another mount namespace or root. */
  readonly path: Fact<string>;
  /** Lower-case hex. */
  readonly sha256: Fact<string>;
  /** Known (and true) only where the file and every folder above it are root's and writable by nobody else. */
  readonly immutable: Fact<true>;
  /** What kind of program it is, told from its bytes and never raised by its name: see {@linkcode RuntimeKind}. */
  readonly runtime: Fact<RuntimeKind>;
}

/**
 * `native`: runs its own code only, as far as its bytes tell. `…-compiled`: a runtime with one program inside
 * (`bun build --compile`, `deno compile`, node SEA), which an environment variable may turn back into a plain runtime.
 * The rest run whatever they are given, so their digest alone says nothing.
 */
export type RuntimeKind =
  | "native"
  | "bun-compiled"
  | "deno-compiled"
  | "node-compiled"
  | "node"
  | "bun"
  | "deno"
  | "electron"
  | "python"
  | "ruby"
  | "perl"
  | "java"
  | "shell"
  | "busybox"
  | "loader"
  | "emulator"
  | "relay"
  | "unknown-runtime";

/** The script that an interpreter was given: what the process says of itself, hence `heuristic`. */
export interface ScriptFacts {
  readonly path: Fact<string>;
  readonly sha256: Fact<string>;
}

/** One process, the peer or an ancestor. A fact that nobody asked for is absent: `not-gathered`. */
export interface ProcessFacts {
  readonly uid: Fact<number>;
  readonly gid: Fact<number>;
  /** Supplementary groups. */
  readonly groups: Fact<readonly number[]>;
  readonly executable: ExecutableFacts;
  readonly script: ScriptFacts;
  /** With argv[0]. */
  readonly argv: Fact<readonly string[]>;
  /** Names of the variables in its environment that make this kind of executable load other code; may be empty. */
  readonly loaders: Fact<readonly string[]>;
  /** Files mapped executable that are neither root's nor beside the executable; may be empty. */
  readonly mappings: Fact<readonly string[]>;
}

/** All that is known of who is at the other end. */
export interface ClientEvidence {
  readonly transport: string;
  /** As the kernel pinned them at connect, socketpair or listen. */
  readonly credentials: Fact<{ readonly pid: number; readonly uid: number; readonly gid: number }>;
  readonly process: ProcessFacts | { readonly absent: string };
  readonly lineage: { readonly ancestors: readonly ProcessFacts[]; readonly end: string };
  /** `type:key:value`; what `forbid` looks at. */
  readonly selectors: readonly string[];
}

/** What some entry needs to know; the guard measures nothing else before it decides. */
export type WantedFact =
  | "executable"
  | "script"
  | "argv"
  | "loaders"
  | "mappings"
  | "parents"
  | "parent-scripts";

/** One accepted digest of an entry in the trust file. */
export interface TrustedDigest {
  readonly sha256: string;
  /** Somebody made sure that this single-file runtime runs no code but its own, whatever its environment says. */
  readonly tested: boolean;
}

/** What the world outside tells about an admission. */
export interface AdmissionWorld {
  /** The accepted digests of an entry of the trust file; empty when there is no such entry. Read anew each time. */
  readonly trusted: (name: string) => readonly TrustedDigest[];
  /** `shim`: it is an ancestor of `mcp-guard connect`, and the kernel does not name it as the one that speaks. */
  readonly via: "direct" | "shim";
}

/** The outcome of admission. A refusal is a value. */
export type Admission =
  | {
    readonly admitted: true;
    /** The entry's name: the principal's. */
    readonly client: string;
    /** The lowest grade among the facts that the entry needs. */
    readonly grade: Grade;
    /** Whether only kernel facts of the account were needed: then no image has to stay the same. */
    readonly account: boolean;
    /** Whether what was sent before the measurement ended may have no effect. */
    readonly proof: "required" | "not-required";
    /** Whether every read must come from the process that was measured, or the first frame only. */
    readonly sender: "every" | "first";
  }
  | {
    readonly admitted: false;
    /** Why each entry did not match, in the order of the file; without digests or paths of the peer's. */
    readonly reasons: readonly { readonly client: string; readonly because: string }[];
  };

/** The policy's `clients`, compiled. */
export interface Clients {
  /** In the order of the file. */
  readonly names: readonly string[];
  /** What has to be measured before `admit` is asked. */
  readonly wants: ReadonlySet<WantedFact>;
  /** Names of trust file entries that are referred to. */
  readonly trustNames: readonly string[];
  /** Whether any entry could admit this account: asked first, since it costs a microsecond and hashing does not. */
  mayAdmit(account: { readonly uid: number; readonly gid: number }): boolean;
  /** The first entry that matches names the principal; none: refused. Never throws for any evidence. */
  admit(evidence: ClientEvidence, world: AdmissionWorld): Admission;
}
