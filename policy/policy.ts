/**
 * The policy as the rest of mcp-guard uses it: loaded, checked and compiled. See README.md for the language.
 */
import type { Clients, RuntimeKind } from "./clients.ts";
import type { Decision, PolicyRequest } from "./decision.ts";
import type { TokenSection } from "./tokens.ts";

/** One finding in a policy file, positioned so that an editor can jump to it. Lines and columns count from 1. */
export interface Problem {
  /** With an error there is no policy. */
  readonly severity: "error" | "warning";
  /** As the loader was told that it is called. */
  readonly file: string;
  /** Of the word that is wrong. */
  readonly line: number;
  /** Of its first character, in UTF-16 units. */
  readonly column: number;
  /** What is wrong, values quoted. */
  readonly message: string;
  /** What to write instead, where we know. */
  readonly hint?: string;
}

/** What the world outside tells the policy: it has no I/O, no clock and no environment of its own. */
export interface PolicyContext {
  /** `$HOME`, `$PROJECT` and what `--var` gave; absolute paths and plain strings. */
  readonly variables: Readonly<Record<string, string>>;
  /** The folder that relative argument paths are resolved against: the child's working folder. */
  readonly cwd: string;
  /**
   * Resolves symlinks of what exists of an absolute, normalised path, keeping the rest as written.
   * @returns undefined when it cannot be told (a loop, no permission), which makes the matcher unknown.
   */
  readonly realPath: (path: string) => string | undefined;
  /** The uid that the guard runs as: what `uid: self` means. Undefined: nobody is `self`. */
  readonly ownUid?: number;
  /**
   * The number of a user or group.
   * @returns undefined when there is none of that name, which is an error of the policy.
   */
  readonly accountId?: (kind: "user" | "group", name: string) => number | undefined;
  /**
   * What a digest is known to be the digest of. Only `policy check` gives it, to refuse identities that cannot hold;
   * it never makes anything acceptable.
   */
  readonly describeDigest?: (sha256: string) => DescribedProgram | undefined;
}

/** A well-known program, found on this machine. */
export interface DescribedProgram {
  readonly kind: RuntimeKind;
  /** For people. */
  readonly name: string;
}

/**
 * A policy that was loaded: every word of its file is enforced by what is here.
 *
 * It never changes: an answer depends on the question alone and, for `under` and `file:` URIs, on where symlinks lead.
 */
export interface Policy {
  /** The server's name in the audit log, unless the command line gives another. */
  readonly name: string;
  /** `observe`: what is denied is recorded and passes. Decisions are the same in both; the gate obeys the mode. */
  readonly mode: "enforce" | "observe";
  /** The first part of every principal's SPIFFE ID. */
  readonly trustDomain: string;
  /** Milliseconds since the epoch from which on the policy is void. */
  readonly expires: number | undefined;
  /** How to launch the child. */
  readonly server: ServerSection;
  /** Where and how safely to keep the log. */
  readonly audit: AuditSection;
  /** How long a session lasts, and how many there may be. */
  readonly session: SessionSection;
  /** Tokens, the one-time secret, and what the server is told of the caller. */
  readonly tokens: TokenSection;
  /** Who may connect. Undefined: processes of the guard's own uid, and nobody else. */
  readonly clients: Clients | undefined;

  /**
   * Judges one request: what denies counts on doubt and beats all that allows, what allows counts only for certain.
   * What nothing matches gets the policy's `default`, save methods: those pass unless denied, and it is the gate that
   * refuses what MCP does not define.
   */
  decide(request: PolicyRequest): Decision;

  /** Whether any rule for this tool looks at its arguments: if not they need not be parsed. */
  readsArguments(tool: string): boolean;
  /** Top-level argument names that rules for this tool read: no other key may fold to one of them. */
  argumentNames(tool: string): readonly string[];

  /**
   * Whether an entry stays in a list shown to the peer. It does when it is allowed for some arguments, or when a
   * `deny` rule speaks of it (its message is worth reading); `hide`, and what nothing matches, are absent.
   *
   * @param client As in {@linkcode PolicyRequest}.
   */
  showsTool(name: string, client?: string): boolean;
  /** Whether a prompt stays in the list: when it may be had. */
  showsPrompt(name: string, client?: string): boolean;
  /** Whether a resource stays in the list: when it may be read. */
  showsResource(uri: string, client?: string): boolean;
  /** Whether a template stays in the list; see `showsTool`: what is decided is always the URI that is asked for. */
  showsTemplate(uriTemplate: string, client?: string): boolean;

  /** Compares the rules with the tools the server really has. Positions are those of the rules. */
  compareWithTools(tools: readonly ToolDefinition[]): readonly Problem[];
  /** Which rules apply and why the others do not; for `policy explain`. */
  explain(request: PolicyRequest): Explanation;
}

/** A tool as its server lists it: read to be compared, never trusted. */
export interface ToolDefinition {
  /** Byte for byte what a call must name. */
  readonly name: string;
  /** A JSON Schema, as far as the server sent one. */
  readonly inputSchema?: unknown;
}

/** The policy's `server`, defaults filled in: how the child is launched, and which child. */
export interface ServerSection {
  /** Undefined: the command comes from the command line. */
  readonly command: readonly string[] | undefined;
  /** Absolute. Undefined: where the guard was started. */
  readonly cwd: string | undefined;
  /** Accepted sha256 digests of the executable, lower-case hex; undefined accepts any and records it. */
  readonly executableDigests: readonly string[] | undefined;
  /** Further files whose digest must match before the launch: path to lower-case hex. */
  readonly files: Readonly<Record<string, string>>;
  /** What the child sees of the guard's environment: nothing that is not named here. */
  readonly env: {
    /** A launcher whose well-known variables are added. */
    readonly preset: "npx" | "uvx" | "docker" | undefined;
    /** Undefined: the default list, which holds no secret and loads no code. */
    readonly pass: readonly string[] | undefined;
    /** Variables with values of the policy's own. */
    readonly set: Readonly<Record<string, string>>;
    /** Variables whose values stand in files: name to absolute path. */
    readonly secrets: Readonly<Record<string, string>>;
  };
  /** The time between end of input, SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  /** `pipe` is for servers that open /dev/stdin by path: any process of the user can then write into it. */
  readonly stdio: "socket" | "pipe";
}

/** The policy's `audit`, defaults filled in. */
export interface AuditSection {
  /** Undefined: the default path in the user's state folder. */
  readonly file: string | undefined;
  /** `buffered`: in the kernel before a message goes on. `group`: on the disk soon after, too. */
  readonly durability: "buffered" | "group";
  /** Whether messages go on while no record of them can be written. */
  readonly onFailure: "deny" | "continue";
}

/** The policy's `session`, defaults filled in. Spans of time are in milliseconds; undefined is without end. */
export interface SessionSection {
  /** `shared`: one process of the server for all sessions, started for the first. */
  readonly children: "per-client" | "shared";
  /** Sliding: since the peer last asked for something, or was last answered. */
  readonly idleMs: number | undefined;
  /** Absolute: since the peer was admitted. */
  readonly maxAgeMs: number | undefined;
  /** Tool calls that go on to the server. */
  readonly maxCalls: number | undefined;
  /** Sessions at a time, over all doors. */
  readonly maxSessions: number;
}

/** Why a request is decided as it is, for its author to read. */
export interface Explanation {
  /** The same that `decide` returns. */
  readonly decision: Decision;
  /** Every rule for a tool, every entry (denials first) for a resource or a prompt; none for the rest. */
  readonly rules: readonly {
    readonly name: string;
    readonly effect: string;
    readonly file: string;
    readonly line: number;
    /** `yes`, `no` or `unknown`, as the rule judged this request. */
    readonly outcome: "yes" | "no" | "unknown";
    /** Why, in one sentence. */
    readonly because: string;
  }[];
}

/** A policy in which every word is enforced, or the errors that keep it from being one: never half of each. */
export type LoadResult =
  | {
    readonly policy: Policy;
    /** What it does, in a few words for people. */
    readonly summary: string;
    /** Warnings. */
    readonly problems: readonly Problem[];
  }
  | { readonly policy: undefined; readonly problems: readonly Problem[] };
