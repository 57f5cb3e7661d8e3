import { Buffer } from "node:buffer";
import {
  type Explanation,
  InexactNumber,
  type LoadResult,
  type Policy,
  type PolicyRequest,
  policySchema,
  type Problem,
} from "../../policy/mod.ts";
import { examinePolicyFile, formatProblem, GuardError, parseValue } from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";
import { parseVariables } from "../variables.ts";

const help = `mcp-guard policy: check a policy, explain its decisions, print its schema

Usage
  mcp-guard policy check <file> [--var NAME=VALUE]... [--json]
  mcp-guard policy explain <file> --tool <name> [--args <json>] [--client <name>] [--var NAME=VALUE]... [--json]
  mcp-guard policy explain <file> --resource <uri> | --prompt <name>
  mcp-guard policy schema

check    Says everything that keeps the policy from being used, each with file, line and column, and what to write
         instead; or in a few words what the policy does. Also checks that nobody else can write the file, and that
         no client is identified by an interpreter or a relay of this machine.
explain  Shows what the policy decides on one request, and for each rule in which line it stands, whether it matches
         and why. A deny rule fires on 'yes' and on 'unknown'; an allow rule needs 'yes'.
schema   Prints the JSON Schema of the language, for editors that complete and check YAML.

Options
  --var NAME=VALUE  defines $NAME for the policy; may be given several times. $HOME and $PROJECT are built in:
                    $PROJECT is the folder the command is started in, unless --var PROJECT=… says otherwise
  --tool <name>     a call of this tool, with --args '{"path": "…"}' if it has arguments
  --client <name>   from the caller that this entry under 'clients' names; without it the caller is not known
  --resource <uri>  reading this resource
  --prompt <name>   getting this prompt
  --json            one JSON object on standard output

Examples
  mcp-guard policy check files.yaml
  mcp-guard policy explain files.yaml --tool read_text_file --args '{"path": "/etc/passwd"}'
  mcp-guard policy explain files.yaml --resource 'file:///home/me/project/notes.md'
  mcp-guard policy check files.yaml --var DATA=/srv/data --json | jq -r '.problems[].message'
  mcp-guard policy schema > policy.schema.json
      then, as the first line of a policy:  # yaml-language-server: $schema=./policy.schema.json

Exit codes
  0  check: the policy can be used; explain: the request is allowed
  1  check: it cannot; explain: the request is denied, or the policy cannot be used
  2  wrong usage
`;

export const command: Command = { summary: "check a policy, explain its decisions", help, run };

const SUBCOMMANDS: ReadonlyMap<string, (args: readonly string[], terminal: Terminal) => Promise<number>> =
  new Map([
    ["check", check],
    ["explain", explain],
    ["schema", schema],
  ]);

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = "", ...rest] = args;
  const subcommand = SUBCOMMANDS.get(name);
  if (subcommand === undefined) {
    const what = name === "" ? "needs a command" : `has no command '${name}'`;
    throw new UsageError(
      `'mcp-guard policy' ${what}: check, explain or schema; see 'mcp-guard policy --help'`,
    );
  }
  return await subcommand(rest, terminal);
}

async function check(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments(
    "mcp-guard policy check",
    args,
    { var: { type: "string", multiple: true }, json: { type: "boolean" } },
    { min: 1, max: 1 },
  );
  const verdict = await examine(positionals[0]!, parseVariables(values.var ?? []));
  if (values.json) terminal.out(`${JSON.stringify(verdict.report)}\n`);
  else printCheck(verdict, terminal);
  return verdict.report.ok ? 0 : 1;
}

interface Verdict {
  readonly policy: Policy | undefined;
  /** What --json prints. */
  readonly report: {
    readonly file: string;
    readonly ok: boolean;
    /** Why the file cannot be used, apart from what stands in it. */
    readonly error?: { readonly code: string; readonly message: string };
    readonly summary?: string;
    readonly sha256?: string;
    readonly problems: readonly Problem[];
  };
}

async function examine(file: string, vars: Readonly<Record<string, string>>): Promise<Verdict> {
  try {
    const { result, digest, expired } = await examinePolicyFile(file, { vars, cwd: process.cwd() });
    const { policy, problems } = result;
    if (policy === undefined) return { policy, report: { file, ok: false, problems } };
    const report = { file, ok: !expired, summary: summaryOf(result), sha256: digest, problems };
    if (!expired) return { policy, report };
    const message = `The policy '${file}' expired at ${new Date(policy.expires!).toISOString()}`;
    return { policy, report: { ...report, error: { code: "ERR_POLICY_EXPIRED", message } } };
  } catch (thrown) {
    if (!(thrown instanceof GuardError)) throw thrown;
    const error = { code: thrown.code, message: thrown.message };
    return { policy: undefined, report: { file, ok: false, error, problems: [] } };
  }
}

function summaryOf(result: LoadResult): string {
  return result.policy === undefined ? "" : result.summary;
}

function printCheck({ policy, report }: Verdict, terminal: Terminal): void {
  const { style } = terminal;
  for (const problem of report.problems) {
    const paint = problem.severity === "error" ? style.red : style.yellow;
    const place = `${problem.file}:${problem.line}:${problem.column}`;
    terminal.out(`${style.bold(place)}: ${paint(problem.severity)}: ${problem.message}\n`);
    if (problem.hint !== undefined) terminal.out(`    ${problem.hint}\n`);
  }
  if (report.error !== undefined) terminal.out(`${style.red("error")}: ${report.error.message}\n`);
  if (report.ok) {
    terminal.out(`${style.green("ok")}: policy '${policy!.name}': ${report.summary}\n`);
    return;
  }
  const errors = report.problems.filter((problem) => problem.severity === "error").length;
  if (errors > 0) terminal.out(`${errors} ${errors === 1 ? "error" : "errors"}: the policy cannot be used\n`);
}

async function explain(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments(
    "mcp-guard policy explain",
    args,
    {
      tool: { type: "string" },
      args: { type: "string" },
      resource: { type: "string" },
      prompt: { type: "string" },
      client: { type: "string" },
      var: { type: "string", multiple: true },
      json: { type: "boolean" },
    },
    { min: 1, max: 1 },
  );
  const asked = readRequest(values);
  const { policy, report } = await examine(positionals[0]!, parseVariables(values.var ?? []));
  if (policy === undefined) {
    const errors = report.error === undefined ? [] : [report.error.message];
    const lines = [...errors, ...report.problems.map(formatProblem)];
    if (values.json) terminal.out(`${JSON.stringify(report)}\n`);
    else terminal.err(`${lines.join("\n")}\n`);
    return 1;
  }
  const request = withClient(asked, values.client, policy);
  const explanation = policy.explain(request);
  if (values.json) terminal.out(`${JSON.stringify({ request, ...explanation })}\n`);
  else printExplanation(explanation, policy, terminal);
  if (report.error !== undefined) terminal.err(`${report.error.message}\n`);
  return report.ok && explanation.decision.effect === "allow" ? 0 : 1;
}

interface RequestOptions {
  readonly tool?: string | undefined;
  readonly args?: string | undefined;
  readonly resource?: string | undefined;
  readonly prompt?: string | undefined;
}

function readRequest({ tool, args, resource, prompt }: RequestOptions): PolicyRequest {
  const given = [tool, resource, prompt].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new UsageError(
      "'mcp-guard policy explain' needs one of --tool, --resource and --prompt; see its --help",
    );
  }
  if (args !== undefined && tool === undefined) throw new UsageError("'--args' belongs to '--tool'");
  if (tool !== undefined) return { kind: "tool", name: tool, args: readArgs(args) };
  return resource === undefined ? { kind: "prompt", name: prompt! } : { kind: "resource", uri: resource };
}

/** A name that is misspelt would be explained as one that no rule speaks of. */
function withClient(request: PolicyRequest, client: string | undefined, policy: Policy): PolicyRequest {
  if (client === undefined) return request;
  const names = policy.clients?.names ?? [];
  if (names.includes(client)) return { ...request, client };
  const known = names.length === 0 ? "it has no 'clients'" : `it has: ${names.join(", ")}`;
  throw new UsageError(`'--client ${client}' is nobody in this policy; ${known}`);
}

function readArgs(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    JSON.parse(text);
    const bytes = Buffer.from(text);
    value = parseValue(bytes, 0, bytes.length, (literal) => new InexactNumber(literal));
  } catch (error) {
    throw new UsageError(`'--args' is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new UsageError(`'--args' must be a JSON object, such as '{"path": "/tmp/x"}'`);
}

function printExplanation({ decision, rules }: Explanation, policy: Policy, terminal: Terminal): void {
  const { style } = terminal;
  const paint = decision.effect === "allow" ? style.green : style.red;
  terminal.out(`${style.bold(paint(decision.effect))}: ${REASONS[decision.reason](decision.rules)}\n`);
  if (decision.message !== undefined) terminal.out(`  the caller is told: ${decision.message}\n`);
  if (policy.mode === "observe" && decision.effect === "deny") {
    terminal.out("  the policy only observes: it is recorded and passes\n");
  }
  for (const rule of rules) {
    terminal.out(`\n${rule.file}:${rule.line} ${style.bold(rule.name)} (${rule.effect}): ${rule.outcome}\n`);
    terminal.out(`  ${rule.because}\n`);
  }
}

const REASONS: Readonly<Record<Explanation["decision"]["reason"], (rules: readonly string[]) => string>> = {
  "rule": (rules) => `by ${rules.join(", ")}`,
  "default": () => "no rule speaks of it, so the policy's default applies",
  "section": () => "its section of the policy does not hold it",
  "unknown-tool": () => "the server has no such tool",
  "open": () => "there is no policy",
};

async function schema(args: readonly string[], terminal: Terminal): Promise<number> {
  parseArguments("mcp-guard policy schema", args, { json: { type: "boolean" } }, { min: 0, max: 0 });
  terminal.out(`${JSON.stringify(policySchema(), undefined, 2)}\n`);
  return 0;
}
