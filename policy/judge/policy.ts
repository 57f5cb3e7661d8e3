/** The compiled parts as one policy. */
import type { Decision, PolicyRequest } from "../decision.ts";
import { parseUri } from "../match/uri.ts";
import type { Policy } from "../policy.ts";
import { compareWithTools } from "./compare.ts";
import { explain } from "./explain.ts";
import { decideFixed, decideSection, showsTemplate } from "./lists.ts";
import type { PolicyParts } from "./parts.ts";
import { openToolTable } from "./tools.ts";

export function openPolicy(parts: PolicyParts): Policy {
  const { rules, fallback, resources, prompts, fixed } = parts;
  const tools = openToolTable(rules, fallback);
  const decide = (request: PolicyRequest): Decision => {
    switch (request.kind) {
      case "tool":
        return tools.decide(request.name, request.args, request.client);
      case "resource":
        return decideSection(resources, parseUri(request.uri), fallback);
      case "prompt":
        return decideSection(prompts, request.name, fallback);
      case "method":
      case "from-server":
        return decideFixed(fixed, request, fallback);
    }
  };
  return {
    name: parts.name,
    mode: parts.mode,
    trustDomain: parts.trustDomain,
    expires: parts.expires,
    server: parts.server,
    audit: parts.audit,
    session: parts.session,
    tokens: parts.tokens,
    clients: parts.clients,
    decide,
    readsArguments: tools.readsArguments,
    argumentNames: tools.argumentNames,
    showsTool: tools.shows,
    showsPrompt: (name) => decide({ kind: "prompt", name }).effect === "allow",
    showsResource: (uri) => decide({ kind: "resource", uri }).effect === "allow",
    showsTemplate: (template) => showsTemplate(resources, template, fallback),
    compareWithTools: (listed) => compareWithTools(parts, listed),
    explain: (request) => explain(parts, request, decide(request)),
  };
}
