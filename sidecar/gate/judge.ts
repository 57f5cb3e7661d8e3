/**
 * Asks the policy, and fails closed: whatever throws while judging is a denial. The one place where `observe` and "no
 * policy at all" are told from enforcement.
 */
import type { Decision, Policy, PolicyRequest } from "../../policy/mod.ts";
import { stricter } from "../../policy/stricter.ts";
import { isStandard, type ListMember } from "../protocol/methods.ts";

/** A decision together with what is to be done about it. */
export interface Verdict {
  readonly decision: Decision;
  /** Whether the message goes on. In observe mode a denial passes. */
  readonly passes: boolean;
  /** Set when a denial passed because of observe mode. */
  readonly observed: boolean;
}

const OPEN: Decision = { effect: "allow", reason: "open", rules: [] };
const MISPLACED: Verdict = {
  decision: { effect: "deny", reason: "section", rules: [] },
  passes: false,
  observed: false,
};
const FAILED: Decision = { effect: "deny", reason: "default", rules: ["(judging failed)"] };

export class Judge {
  /** What the peer was admitted under. */
  readonly #snapshot: Policy | undefined;
  #policy: Policy | undefined;
  readonly #onFailure: (error: unknown) => void;
  /** The name that admission gave the peer: every request that is judged carries it. */
  readonly client: string | undefined;
  readonly #methods = new Map<string, Verdict>();

  /**
   * @param policy Undefined: there is no policy file, everything passes and is recorded.
   * @param onFailure Told when judging threw; the message is denied all the same.
   * @param client The entry of the policy's `clients` that admitted the peer.
   */
  constructor(policy: Policy | undefined, onFailure: (error: unknown) => void, client?: string) {
    this.#snapshot = policy;
    this.#policy = policy;
    this.#onFailure = onFailure;
    this.client = client;
  }

  get policy(): Policy | undefined {
    return this.#policy;
  }

  /** From here on this policy counts as well: nothing is allowed that was not allowed when the peer was admitted. */
  tighten(policy: Policy): void {
    this.#policy = this.#snapshot === undefined ? policy : stricter(this.#snapshot, policy);
    this.#methods.clear();
  }

  /** Whether denials are carried out. */
  get enforces(): boolean {
    return this.#policy !== undefined && this.#policy.mode === "enforce";
  }

  /**
   * The verdict on a method as such, whatever it names. Not relaxed by observe mode.
   *
   * @param defined Whether MCP defines it for where it came from. If not it passes only where the policy lists it, or
   *   where there is no policy and it is nobody's but the two programs' own.
   */
  method(name: string, defined: boolean): Verdict {
    if (!defined && isStandard(name)) return MISPLACED;
    if (this.#policy === undefined) return { decision: OPEN, passes: true, observed: false };
    const cached = this.#methods.get(name);
    if (cached !== undefined) return cached;
    const decision = this.#decide({ kind: "method", method: name, client: this.client });
    const listed = decision.effect === "allow" && decision.reason === "section";
    const passes = decision.effect === "allow" && (defined || listed);
    const verdict: Verdict = {
      decision: passes ? decision : { ...decision, effect: "deny", reason: "section" },
      passes,
      observed: false,
    };
    // Names from the wire are without number: only those that MCP defines are remembered.
    if (defined) this.#methods.set(name, verdict);
    return verdict;
  }

  /** Whether an entry stays in a list that the peer is shown. */
  shows(entries: ListMember, name: string): boolean {
    const policy = this.#policy;
    if (policy === undefined) return true;
    switch (entries) {
      case "tools":
        return policy.showsTool(name, this.client);
      case "prompts":
        return policy.showsPrompt(name, this.client);
      case "resources":
        return policy.showsResource(name, this.client);
      case "resourceTemplates":
        return policy.showsTemplate(name, this.client);
    }
  }

  judge(request: PolicyRequest): Verdict {
    return this.settle(this.#decide(request));
  }

  /** What follows from a decision that was made elsewhere, such as on a tool the server does not have. */
  settle(decision: Decision): Verdict {
    const denied = decision.effect === "deny";
    const observed = denied && !this.enforces;
    return { decision, passes: !denied || observed, observed };
  }

  #decide(request: PolicyRequest): Decision {
    if (this.#policy === undefined) return OPEN;
    try {
      return this.#policy.decide(request);
    } catch (error) {
      this.#onFailure(error);
      return FAILED;
    }
  }
}
