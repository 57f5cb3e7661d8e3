/**
 * The policy as the rest of mcp-guard uses it: loaded, checked and compiled. See README.md for the language.
 */
import type { Decision, PolicyRequest } from "./decision.ts";

/** One finding in a policy file, positioned so that an editor can jump to it. Lines and columns count from 1. */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly line: number;
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
}

export interface Policy {
  readonly name: string;
  readonly mode: "enforce" | "observe";
  readonly trustDomain: string;
  /** Milliseconds since the epoch from which on the policy is void. */
  readonly expires: number | undefined;
  readonly server: ServerSection;
  readonly audit: AuditSection;

  decide(request: PolicyRequest): Decision;

  /** Whether any rule for this tool looks at its arguments: if not they need not be parsed. */
  readsArguments(tool: string): boolean;
  /** Top-level argument names that rules for this tool read: no other key may fold to one of them. */
  argumentNames(tool: string): readonly string[];

  /**
   * Whether an entry stays in a list shown to the peer. It does when it is allowed for some arguments, or when a
   * `deny` rule speaks of it (its message is worth reading); `hide`, and what nothing matches, are absent.
   */
  showsTool(name: string): boolean;
  showsPrompt(name: string): boolean;
  showsResource(uri: string): boolean;
  showsTemplate(uriTemplate: string): boolean;

  /** Compares the rules with the tools the server really has. Positions are those of the rules. */
  compareWithTools(tools: readonly ToolDefinition[]): readonly Problem[];
  /** Which rules apply and why the others do not; for `policy explain`. */
  explain(request: PolicyRequest): Explanation;
}

export interface ToolDefinition {
  readonly name: string;
  readonly inputSchema?: unknown;
}

export interface ServerSection {
  readonly command: readonly string[] | undefined;
  readonly cwd: string | undefined;
  /** Accepted sha256 digests of the executable, lower-case hex; undefined accepts any and records it. */
  readonly executableDigests: readonly string[] | undefined;
  /** Further files whose digest must match before the launch: path to lower-case hex. */
  readonly files: Readonly<Record<string, string>>;
  readonly env: {
    readonly preset: "npx" | "uvx" | "docker" | undefined;
    /** Undefined: the default list, which holds no secret and loads no code. */
    readonly pass: readonly string[] | undefined;
    readonly set: Readonly<Record<string, string>>;
  };
  readonly stopGraceMs: number;
  readonly stdio: "socket" | "pipe";
}

export interface AuditSection {
  /** Undefined: the default path in the user's state folder. */
  readonly file: string | undefined;
  readonly durability: "buffered" | "group";
  readonly onFailure: "deny" | "continue";
}

export interface Explanation {
  readonly decision: Decision;
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

export type LoadResult =
  | {
    readonly policy: Policy;
    /** What it does, in a few words for people. */
    readonly summary: string;
    /** Warnings. */
    readonly problems: readonly Problem[];
  }
  | { readonly policy: undefined; readonly problems: readonly Problem[] };
