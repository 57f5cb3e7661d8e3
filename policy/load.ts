/** From text to a policy: parse, check, compile. */
import { compileClients } from "./admit/load/clients.ts";
import { openPolicy } from "./judge/policy.ts";
import type { PolicyParts } from "./judge/parts.ts";
import { compileRules } from "./judge/rules.ts";
import { compileFixedSections, compilePrompts, compileResources } from "./judge/lists.ts";
import { readSession } from "./judge/session.ts";
import { readTokens } from "./judge/tokens.ts";
import { readAudit, readCwd, readExpiry, readServer } from "./judge/settings.ts";
import { checkReach } from "./judge/reach.ts";
import { summarise } from "./judge/summary.ts";
import { POLICY } from "./language.ts";
import { isInside, normalise } from "./match/path.ts";
import { isWellFormed } from "./match/verdict.ts";
import type { RegexProgram, Workshop } from "./match/words.ts";
import type { LoadResult, PolicyContext } from "./policy.ts";
import { check } from "./text/check.ts";
import { openReport, type Report } from "./text/report.ts";
import { type MapNode, textField } from "./text/tree.ts";

/**
 * Loads a policy.
 *
 * Never throws and never half-accepts: either there is a policy, in which every word is enforced, or there are the
 * errors that keep it from being one, all of them, with their positions. Warnings may come with either.
 *
 * @param file How the file is called in problems; it is not read.
 */
export async function loadPolicy(text: string, file: string, context: PolicyContext): Promise<LoadResult> {
  const report = openReport(file);
  try {
    const parts = await load(text, file, context, report);
    if (parts !== undefined && !report.failed) {
      return { policy: openPolicy(parts), summary: summarise(parts), problems: report.list() };
    }
  } catch (error) {
    // A defect of ours, or of a library on text that nobody foresaw: refused like any other.
    const reason = error instanceof Error ? error.message : String(error);
    report.error({ line: 1, column: 1 }, `The policy cannot be read: ${reason}`);
  }
  return { policy: undefined, problems: report.list() };
}

async function load(text: string, file: string, context: PolicyContext, report: Report) {
  const { parseText } = await import("./parse.ts");
  const tree = parseText(text, report);
  if (tree === undefined) return undefined;
  const { variables } = context;
  const refuseVariable = (name: string) => flawOfVariable(name, context);
  const root = check(tree, POLICY, "The policy", { report, variables, refuseVariable }) as MapNode;
  // RE2 is larger than all of the language: loaded only for policies that use it.
  const regex = text.includes("regex") ? await loadRegex() : undefined;
  return compile(root, file, { report, context, cwd: readCwd(root, context), regex });
}

async function loadRegex(): Promise<(pattern: string) => RegexProgram> {
  const { RE2JS } = await import("re2js");
  return (pattern) => RE2JS.compile(pattern);
}

function compile(root: MapNode, file: string, workshop: Workshop): PolicyParts {
  const { report, context } = workshop;
  // Unsound rules are skipped one by one, so that the errors of all the others are found as well.
  const list = root.entries.get("rules")?.value;
  const nodes = list?.kind === "list" ? list.items.filter((item) => item.kind === "map") : [];
  const { clients, names } = compileClients(root, workshop);
  const rules = compileRules(nodes, names, workshop);
  checkReach(rules, report);
  return {
    file,
    name: textField(root, "name") ?? "",
    mode: textField(root, "mode") === "observe" ? "observe" : "enforce",
    trustDomain: textField(root, "trust_domain") ?? "localhost",
    expires: readExpiry(root, report),
    server: readServer(root, context, report),
    audit: readAudit(root, report),
    session: readSession(root, report),
    tokens: readTokens(root, clients, report),
    clients,
    fallback: textField(root, "default") === "allow" ? "allow" : "deny",
    rules,
    resources: compileResources(root, workshop),
    prompts: compilePrompts(root, workshop),
    fixed: compileFixedSections(root, workshop),
  };
}

/** A project that holds everything the user has is no project: a client started us in the wrong folder. */
function flawOfVariable(name: string, context: PolicyContext): string | undefined {
  const value = Object.hasOwn(context.variables, name) ? context.variables[name]! : undefined;
  if (value === undefined) return undefined;
  if (!isWellFormed(value) || /\p{Cc}/u.test(value)) {
    return `The value of '$${name}' has characters that no path has`;
  }
  if (name !== "PROJECT") return undefined;
  const project = normalise(value);
  const home = Object.hasOwn(context.variables, "HOME") ? context.variables["HOME"]! : "/";
  const homes = [home, context.realPath(normalise(home)) ?? home].map(normalise);
  const projects = [project, context.realPath(project) ?? project];
  if (!projects.some((one) => homes.some((each) => isInside(each, one)))) return undefined;
  return `'$PROJECT' is '${project}', which holds the whole home folder: start in a project's folder, or pass --var`;
}
