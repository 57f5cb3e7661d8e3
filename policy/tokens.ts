/** What the policy says of tokens, of the one-time secret, and of what the server is told. Types only. */

export interface TokenSection {
  /** Who gets a token: nobody, every session as it opens, or the one that shows the one-time secret. */
  readonly issue: "none" | "initialize" | "bootstrap";
  readonly ttlMs: number;
  /** Absolute path of the signing key. Undefined: a new one at each start. */
  readonly keyFile: string | undefined;
  /** Whether the guard offers `get_token`. */
  readonly tool: boolean;
  /** Whether anything needs the one-time secret: only then one is made. */
  readonly needsSecret: boolean;
  /** Where it is put; undefined: a file in the runtime folder. */
  readonly bootstrap: { readonly file: string } | { readonly fd: number } | undefined;
  /** Absolute path of the server's own one-time secret, which the guard shows to the server's `get_token`. */
  readonly serverSecretFile: string | undefined;
  readonly identityToServer: "none" | "selectors" | "token";
}
