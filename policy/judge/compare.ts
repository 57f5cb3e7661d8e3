/** Compares rules with the tools that a server really has. What comes from the server is only read, never trusted. */
import type { Problem, ToolDefinition } from "../policy.ts";
import { nearest } from "../text/nearest.ts";
import { openReport, quote, type Report } from "../text/report.ts";
import { concerns, namesTool, type Rule } from "./rules.ts";
import type { PolicyParts } from "./parts.ts";

export function compareWithTools(parts: PolicyParts, tools: readonly ToolDefinition[]): readonly Problem[] {
  const report = openReport(parts.file);
  for (const rule of parts.rules) {
    checkNames(rule, tools, report);
    for (const tool of tools) if (concerns(rule, tool.name)) checkArguments(rule, tool, report);
  }
  return report.list();
}

function checkNames(rule: Rule, tools: readonly ToolDefinition[], report: Report): void {
  const names = tools.map((tool) => tool.name);
  for (const pattern of rule.tools) {
    if (names.some((name) => namesTool(pattern, name, false))) continue;
    const near = pattern.test === undefined ? nearest(pattern.text, names) : undefined;
    const hint = near === undefined ? undefined : `Did you mean ${quote(near)}?`;
    report.warning(pattern.place, `The server has no tool ${quote(pattern.text)}`, hint);
  }
}

function checkArguments(rule: Rule, tool: ToolDefinition, report: Report): void {
  const schema = asObject(tool.inputSchema);
  const properties = asObject(schema?.["properties"]);
  if (rule.args === undefined || schema === undefined || properties === undefined) return;
  const known = Object.keys(properties);
  const firsts = rule.args.parts.map((part) => part.selector.steps[0]);
  for (const part of rule.args.parts) {
    const [name] = part.selector.steps;
    if (typeof name !== "string" || Object.hasOwn(properties, name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined
      ? `It has: ${known.slice(0, 20).map(quote).join(", ")}`
      : `Did you mean ${quote(near)}?`;
    report.warning(part.place, `Tool ${quote(tool.name)} has no argument ${quote(name)}`, hint);
  }
  const covered = firsts.some((name) => typeof name === "symbol");
  if (rule.args.covers === undefined || covered) return;
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  for (const name of required) {
    if (typeof name !== "string" || firsts.includes(name)) continue;
    const message = `Rule ${quote(rule.name)} can never allow ${quote(tool.name)}: it does not name ${
      quote(name)
    }`;
    report.warning(rule.place, message, `The tool requires it: add it to 'args', or 'other_args: allow'`);
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? value as Record<string, unknown> : undefined;
}
