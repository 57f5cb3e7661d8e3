import { quote, type Report } from "../text/report.ts";
import { concerns, type Rule } from "./rules.ts";

/** Warns of allow rules that have no effect, because something that always holds beats them. */
export function checkReach(rules: readonly Rule[], report: Report): void {
  const always = rules.filter((rule) => rule.effect !== "allow" && rule.args === undefined);
  for (const rule of rules) {
    if (rule.effect !== "allow") continue;
    for (const tool of rule.tools) {
      const winner = always.find((one) => {
        return includesClients(one, rule) && (one.tools.some((other) => other.text === tool.text) ||
          tool.test === undefined && concerns(one, tool.text));
      });
      if (winner === undefined) continue;
      const message = `Rule ${quote(rule.name)} never allows ${
        quote(tool.text)
      }: '${winner.name}' says '${winner.effect}'`;
      report.warning(tool.place, message, `Line ${winner.place.line} beats it whatever the order`);
    }
  }
}

/** Whether the one speaks of every client that the other speaks of. */
function includesClients(one: Rule, other: Rule): boolean {
  if (one.clients === undefined) return true;
  return other.clients !== undefined && [...other.clients].every((name) => one.clients!.has(name));
}
