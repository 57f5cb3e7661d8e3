import { reloadPolicy, runningGuards, visible } from "../../sidecar/mod.ts";
import { parseArguments } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";

const HELP = `Have running guards load their policy once more

Usage
  mcp-guard reload <server> [--json]
  mcp-guard reload --all [--json]

For whoever comes, the new policy counts. For whoever is here it counts where it is stricter; whom it does not admit is
told so and gone. With a policy that has errors nothing changes, and the errors are shown. SIGHUP does the same for a
guard that listens. The audit log says who asked for it.

<server> is a server's name as 'mcp-guard sessions' shows it, or the path of a control socket. All guards of that name
are told.

Options
      --all    Every guard of your account
      --json   One JSON object on standard output: {"guards": [{"name", "pid", "policy", "same"} or {…, "refused"}]}

Examples
  mcp-guard policy check files.yaml && mcp-guard reload files
  mcp-guard reload --all --json | jq -r '.guards[] | select(.refused) | .name'

Exit codes
  0  loaded by all of them
  1  not loaded by one of them, or no such guard runs
  2  wrong usage
`;

export const command: Command = {
  summary: "have running guards load their policy once more",
  help: HELP,
  run,
};

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments(
    "mcp-guard reload",
    args,
    { all: { type: "boolean" }, json: { type: "boolean" } },
    args.includes("--all") ? { min: 0, max: 0 } : { min: 1, max: 1 },
  );
  const [target] = positionals;
  let failures = 0;
  const guards = await runningGuards(target, (socket, why) => {
    failures++;
    terminal.err(`mcp-guard: No answer at '${visible(socket)}': ${visible(why)}\n`);
  });
  const answers = [];
  for (const guard of guards) {
    const { name, pid } = guard.overview;
    const answer = await reloadPolicy(guard);
    answers.push({ name, pid, ...answer });
    if ("refused" in answer) {
      failures++;
      terminal.err(`mcp-guard: ${visible(name)} (${pid}) goes on as before: ${visible(answer.refused)}\n`);
    } else if (!values.json) {
      terminal.out(
        `${visible(name)} (${pid}): ${answer.same ? "the same policy" : `policy ${answer.policy.sha256}`}\n`,
      );
    }
  }
  if (values.json) terminal.out(`${JSON.stringify({ guards: answers })}\n`);
  if (guards.length === 0 && failures === 0) {
    terminal.err(
      `mcp-guard: ${target === undefined ? "No guard runs" : `No guard of '${visible(target)}' runs`}\n`,
    );
    return 1;
  }
  return failures === 0 ? 0 : 1;
}
