/** Two policies at once: what a session that lives through a reload is judged by. */
import type { Decision, PolicyRequest } from "./decision.ts";
import type { Policy } from "./policy.ts";

/**
 * The policy that denies whatever one of the two denies.
 *
 * Where only one of them enforces, that one alone judges: what the other one denies would have passed. Methods are not
 * relaxed by observe mode, so there both count. How the server is launched and who may connect is the later one's.
 */
export function stricter(before: Policy, now: Policy): Policy {
  const enforcing = [now, before].filter((policy) => policy.mode === "enforce");
  const judging = enforcing.length === 1 ? enforcing : [now, before];
  const every = (shows: (policy: Policy) => boolean): boolean => judging.every(shows);
  return {
    ...now,
    mode: enforcing.length > 0 ? "enforce" : "observe",
    expires: earlier(before.expires, now.expires),
    decide: (request) => strictest(request.kind === "method" ? [now, before] : judging, request),
    readsArguments: (tool) => judging.some((policy) => policy.readsArguments(tool)),
    argumentNames: (tool) => [...new Set(judging.flatMap((policy) => policy.argumentNames(tool)))],
    showsTool: (name, client) => every((policy) => policy.showsTool(name, client)),
    showsPrompt: (name, client) => every((policy) => policy.showsPrompt(name, client)),
    showsResource: (uri, client) => every((policy) => policy.showsResource(uri, client)),
    showsTemplate: (uri, client) => every((policy) => policy.showsTemplate(uri, client)),
  };
}

function strictest(policies: readonly Policy[], request: PolicyRequest): Decision {
  const decisions = policies.map((policy) => policy.decide(request));
  return decisions.find(({ effect }) => effect === "deny") ??
    // A method that MCP does not define passes only where it is listed: so it must be in both.
    decisions.find(({ reason }) => request.kind === "method" && reason !== "section") ??
    decisions[0]!;
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.min(a, b);
}
