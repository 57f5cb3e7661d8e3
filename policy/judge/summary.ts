import type { PolicyParts } from "./parts.ts";

/** The policy in a few words: what a person who has just written it wants to see confirmed. */
export function summarise(parts: PolicyParts): string {
  const words = [
    `default ${parts.fallback}`,
    rules(parts),
    section(parts.resources, parts.fallback),
    section(parts.prompts, parts.fallback),
    fromServer(parts),
    clients(parts),
    ...(parts.session.children === "shared" ? ["one server for all sessions"] : []),
    ...(parts.mode === "observe" ? ["observes only: nothing is blocked"] : []),
    ...(parts.expires === undefined
      ? []
      : [`expires ${new Date(parts.expires).toISOString().slice(0, 16)}Z`]),
  ];
  return words.join("; ");
}

function rules({ rules }: PolicyParts): string {
  if (rules.length === 0) return "no rules";
  const counts = (["allow", "deny", "hide"] as const).flatMap((effect) => {
    const count = rules.filter((rule) => rule.effect === effect).length;
    return count === 0 ? [] : [`${count} ${effect}`];
  });
  return `${rules.length} ${rules.length === 1 ? "rule" : "rules"} (${counts.join(", ")})`;
}

const MOST_NAMES = 5;

function clients({ clients }: PolicyParts): string {
  if (clients === undefined) return "any process of the guard's user may connect";
  const { names } = clients;
  const more = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} more` : "";
  const count = `${names.length} ${names.length === 1 ? "client" : "clients"}`;
  return `${count} (${names.slice(0, MOST_NAMES).join(", ")}${more})`;
}

/** Only the lengths of the lists are looked at. */
interface AnySection {
  readonly name: string;
  readonly allow: readonly unknown[] | undefined;
  readonly deny: readonly unknown[];
}

function section({ name, allow, deny }: AnySection, fallback: string): string {
  const rest = allow === undefined ? `${fallback} by default` : `${allow.length} allowed`;
  return deny.length === 0 ? `${name}: ${rest}` : `${name}: ${deny.length} denied, ${rest}`;
}

function fromServer({ fixed, fallback }: PolicyParts): string {
  const features = ["sampling", "elicitation", "roots"] as const;
  const allowed = features.filter((feature) => (fixed.fromServer.get(feature) ?? fallback) === "allow");
  return `the server may ask for ${allowed.length === 0 ? "nothing" : allowed.join(", ")}`;
}
