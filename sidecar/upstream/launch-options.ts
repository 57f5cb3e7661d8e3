/** What a launch is given, and what it yields beyond an {@linkcode Upstream}. */
import type { Upstream } from "./upstream.ts";

export interface LaunchOptions {
  readonly command: readonly string[];
  /** Absolute. Never inherited by accident. */
  readonly cwd: string;
  /** All of it: see `childEnvironment`. Its PATH is the one the command is looked up in. */
  readonly env: Readonly<Record<string, string>>;
  /** Accepted sha256 digests of the file that the command names; undefined accepts any and records it. */
  readonly executableDigests?: readonly string[] | undefined;
  /** Further files whose digest must match before the launch: path, relative to `cwd`, to lower-case hex. */
  readonly files?: Readonly<Record<string, string>> | undefined;
  readonly stopGraceMs: number;
  /** `pipe` is for servers that open /dev/stdin by path; any process of the user can then write into it. */
  readonly stdio: "socket" | "pipe";
  /** Without a prefix the child writes to our own stderr, at no cost to us. */
  readonly stderr: { readonly prefix?: string | undefined };
  /** A file of the guard's that goes with it, should it be killed. @default {none} */
  readonly leftOnKill?: string | undefined;
}

export interface LaunchedUpstream extends Upstream {
  /** Whether a watchdog ends the child should the guard be killed. False where there is no /bin/sh: say so. */
  readonly watched: boolean;
}
