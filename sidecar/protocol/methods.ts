/**
 * Every method of MCP, both eras, both directions, and what a proxy owes to each. Frozen: a method that is not here is
 * refused, there is no default branch. A test compares it with the method names in the pinned SDKs.
 *
 * Source: MCP specification 2024-11-05 … 2025-11-25 (legacy) and 2026-07-28 (modern).
 */

export type Era = "legacy" | "modern";

/**
 * - `pass`: nothing in it is the policy's business
 * - `open`: the opening of a session (`initialize`, `server/discover`)
 * - `tool`, `resource`, `prompt`, `completion`, `listen`: the policy decides on what it names
 * - `list`: the answer is filtered
 * - `feature`: the server asks something of the client; `from_server` decides
 * - `cancel`: only for the sender's own pending request
 * - `updated`: names a resource; passes only if that may be read
 */
export type Duty =
  | "pass"
  | "open"
  | "tool"
  | "resource"
  | "prompt"
  | "completion"
  | "listen"
  | "list"
  | "feature"
  | "cancel"
  | "updated";

export interface Method {
  readonly kind: "request" | "notification";
  readonly eras: readonly Era[];
  readonly duty: Duty;
  /** For `list`: the member of the result that holds the entries. */
  readonly entries?: ListMember;
  /** For `feature`: which one. */
  readonly feature?: "sampling" | "elicitation" | "roots";
}

export type ListMember = "tools" | "prompts" | "resources" | "resourceTemplates";

const BOTH: readonly Era[] = ["legacy", "modern"];
const LEGACY: readonly Era[] = ["legacy"];
const MODERN: readonly Era[] = ["modern"];

const request = (eras: readonly Era[], duty: Duty): Method => ({ kind: "request", eras, duty });
const notification = (eras: readonly Era[], duty: Duty = "pass"): Method => ({
  kind: "notification",
  eras,
  duty,
});
const list = (entries: ListMember): Method => ({ kind: "request", eras: BOTH, duty: "list", entries });
const feature = (name: "sampling" | "elicitation" | "roots"): Method => ({
  kind: "request",
  eras: LEGACY,
  duty: "feature",
  feature: name,
});

export const FROM_PEER: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["initialize", request(LEGACY, "open")],
  ["server/discover", request(MODERN, "open")],
  ["ping", request(LEGACY, "pass")],
  ["tools/list", list("tools")],
  ["tools/call", request(BOTH, "tool")],
  ["resources/list", list("resources")],
  ["resources/templates/list", list("resourceTemplates")],
  ["resources/read", request(BOTH, "resource")],
  ["resources/subscribe", request(LEGACY, "resource")],
  ["resources/unsubscribe", request(LEGACY, "resource")],
  ["subscriptions/listen", request(MODERN, "listen")],
  ["prompts/list", list("prompts")],
  ["prompts/get", request(BOTH, "prompt")],
  ["completion/complete", request(BOTH, "completion")],
  ["logging/setLevel", request(LEGACY, "pass")],
  // Tasks: with one child per peer every task is its own (a shared one: `gate/shared`), and `tools/call` has judged it.
  ["tasks/get", request(BOTH, "pass")],
  ["tasks/result", request(LEGACY, "pass")],
  ["tasks/list", request(LEGACY, "pass")],
  ["tasks/cancel", request(BOTH, "pass")],
  ["tasks/update", request(MODERN, "pass")],
  ["notifications/initialized", notification(LEGACY)],
  ["notifications/cancelled", notification(BOTH, "cancel")],
  ["notifications/progress", notification(LEGACY)],
  ["notifications/roots/list_changed", notification(LEGACY)],
  ["notifications/tasks/status", notification(LEGACY)],
]);

export const FROM_UPSTREAM: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["ping", request(LEGACY, "pass")],
  ["sampling/createMessage", feature("sampling")],
  ["elicitation/create", feature("elicitation")],
  ["roots/list", feature("roots")],
  // Tasks that the client hosts for the server (2025-11-25): they began with a `feature` request that was judged.
  ["tasks/get", request(LEGACY, "pass")],
  ["tasks/result", request(LEGACY, "pass")],
  ["tasks/list", request(LEGACY, "pass")],
  ["tasks/cancel", request(LEGACY, "pass")],
  ["notifications/cancelled", notification(BOTH, "cancel")],
  ["notifications/progress", notification(BOTH)],
  ["notifications/message", notification(BOTH)],
  ["notifications/tools/list_changed", notification(BOTH)],
  ["notifications/resources/list_changed", notification(BOTH)],
  ["notifications/prompts/list_changed", notification(BOTH)],
  ["notifications/resources/updated", notification(BOTH, "updated")],
  ["notifications/elicitation/complete", notification(LEGACY)],
  ["notifications/tasks/status", notification(LEGACY)],
  ["notifications/tasks", notification(MODERN)],
  ["notifications/subscriptions/acknowledged", notification(MODERN)],
]);

/**
 * Whether MCP defines the method at all, in whatever direction, era or kind. Such a one is never somebody's own: where it
 * does not belong it is refused, also if everything else passes.
 */
export function isStandard(name: string): boolean {
  return FROM_PEER.has(name) || FROM_UPSTREAM.has(name);
}

/** The feature that a request hidden in a modern result (`inputRequests`) asks for; undefined: of no known kind. */
export function featureOf(method: string): "sampling" | "elicitation" | "roots" | undefined {
  return FROM_UPSTREAM.get(method)?.feature;
}
