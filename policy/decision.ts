/**
 * The outcome of a policy for one message.
 *
 * A denial is a value, never an exception. An allow counts only once all of its obligations are met.
 */
export interface Decision {
  /** In observe mode too this is what the rules say; that it is not enforced is the gate's doing. */
  readonly effect: "allow" | "deny";
  /** What settled it. */
  readonly reason: DecisionReason;
  /** Names of the rules that determined it, in the order of the file; empty when none did. */
  readonly rules: readonly string[];
  /** What the rule's author wants the peer to be told. */
  readonly message?: string;
}

/**
 * What settled a decision.
 *
 * - `rule`: a rule, or an entry of a section such as `resources`, matched
 * - `default`: nothing matched, so the policy's `default` applies
 * - `section`: a section of the policy (`resources`, `prompts`, `from_server`, `methods`) does not hold it
 * - `unknown-tool`: the server lists no tool of exactly that name
 * - `open`: there is no policy, everything passes
 */
export type DecisionReason = "rule" | "default" | "section" | "unknown-tool" | "open";

/** Who asks, and what. */
export type PolicyRequest = RequestedThing & {
  /**
   * The name that admission gave the caller. Undefined: nobody knows; then allow rules for some clients only do not
   * match, and deny and hide rules for some clients only do.
   */
  readonly client?: string | undefined;
};

/** What is asked of the policy. Values are as JSON.parse made them, save numbers (see `InexactNumber`). */
export type RequestedThing =
  | {
    readonly kind: "tool";
    readonly name: string;
    readonly args: Readonly<Record<string, unknown>> | undefined;
  }
  | { readonly kind: "resource"; readonly uri: string }
  | { readonly kind: "prompt"; readonly name: string }
  | { readonly kind: "method"; readonly method: string }
  | { readonly kind: "from-server"; readonly feature: ServerFeature };

/** What a server may ask of a client. */
export type ServerFeature = "sampling" | "elicitation" | "roots";

/**
 * Stands in parsed arguments for a number literal that no double represents exactly, such as 2^53+1 or 1e400.
 * The server might read another number than we do, so every matcher finds it unknown.
 */
export class InexactNumber {
  /** As it was spelled. */
  readonly literal: string;

  /** Keeps the text, and makes no number of it. */
  constructor(literal: string) {
    this.literal = literal;
  }
}
