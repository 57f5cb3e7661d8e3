import {
  endSession,
  type RunningGuard,
  runningGuards,
  type SessionOverview,
  visible,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";

const HELP = `Show who uses the servers that mcp-guard guards, and end a session

Usage
  mcp-guard sessions [<server>] [--json]
  mcp-guard sessions [<server>] --end <session>

Lists the guards of your account that run now, however they were started, and the sessions of each: who is at the other
end, as the kernel and the digests tell it, and how much was asked. Nothing of what was said is shown, and no token.

<server> is a server's name as the list shows it, or the path of a control socket. A guard has no control socket when it
was started with '--no-control', and a guard of standard streams opens it after a second.

Options
      --end SESSION   End this session; its client is told. The audit log says who asked for it
      --json          One JSON object on standard output: {"guards": […]}

Examples
  mcp-guard sessions
  mcp-guard sessions files --json | jq -r '.guards[].sessions[].who.executable.path'
  mcp-guard sessions --end Xk3v0_aPq1Zs
  curl --unix-socket "$XDG_RUNTIME_DIR/mcp-guard/control/files-4121.sock" http://localhost/metrics

Exit codes
  0  shown, or ended
  1  no such guard runs, no such session, or a guard does not answer
  2  wrong usage
`;

export const command: Command = { summary: "show who uses guarded servers, end a session", help: HELP, run };

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments(
    "mcp-guard sessions",
    args,
    { end: { type: "string" }, json: { type: "boolean" } },
    { min: 0, max: 1 },
  );
  const [target] = positionals;
  if (values.end !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(values.end)) {
    throw new UsageError("--end takes a session's id, as 'mcp-guard sessions' shows it");
  }
  let failures = 0;
  const guards = await runningGuards(target, (socket, why) => {
    failures++;
    terminal.err(`mcp-guard: No answer at '${visible(socket)}': ${visible(why)}\n`);
  });
  if (values.end !== undefined) return await end(guards, values.end, values.json === true, terminal);
  if (values.json) {
    terminal.out(
      `${JSON.stringify({ guards: guards.map(({ socket, overview }) => ({ socket, ...overview })) })}\n`,
    );
  } else for (const guard of guards) terminal.out(format(guard, terminal));
  if (guards.length > 0 && failures === 0) return 0;
  if (failures === 0) terminal.err(`mcp-guard: ${nobody(target)}\n`);
  return target === undefined && failures === 0 ? 0 : 1;
}

function nobody(target: string | undefined): string {
  return target === undefined ? "No guard runs" : `No guard of '${visible(target)}' runs`;
}

async function end(
  guards: readonly RunningGuard[],
  session: string,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const guard = guards.find(({ overview }) => overview.sessions.some(({ id }) => id === session));
  if (guard === undefined || !await endSession(guard, session)) {
    terminal.err(`mcp-guard: No session '${session}' runs; 'mcp-guard sessions' lists them\n`);
    return 1;
  }
  const { name, pid } = guard.overview;
  terminal.out(
    json ? `${JSON.stringify({ ended: session, name, pid })}\n` : `Ended ${session} of ${visible(name)}\n`,
  );
  return 0;
}

function format({ overview }: RunningGuard, { style }: Terminal): string {
  const { name, pid, policy, listen, sessions } = overview;
  const rule = policy === undefined
    ? style.yellow("no policy")
    : `policy ${visible(policy.name)}${policy.mode === "enforce" ? "" : ` (${policy.mode})`}`;
  const where = listen.length === 0 ? "standard streams" : listen.map((url) => visible(url)).join(", ");
  const head = `${style.bold(visible(name))}  guard ${pid}  ${rule}  ${where}\n`;
  if (sessions.length === 0) return `${head}  ${style.dim("no session")}\n`;
  return head + sessions.map((session) => formatSession(session, style)).join("");
}

/** The evidence of a session, as far as it is shown to people. */
interface Who {
  readonly principal: string;
  readonly pid?: number;
  readonly uid?: number;
  readonly executable?: { readonly path?: string; readonly sha256?: string };
}

function formatSession(session: SessionOverview, style: Terminal["style"]): string {
  const { id, started, idle_s, calls, pending, grade } = session;
  const { principal, pid, uid, executable } = session.who as Who;
  const age = span((Date.now() - Date.parse(started)) / 1000);
  const waiting = pending === 0 ? "" : `, ${pending} waiting`;
  const digest = executable?.sha256 === undefined ? "" : ` sha256:${executable.sha256.slice(0, 16)}…`;
  return `  ${id}  ${visible(principal)} (${grade})  pid ${pid ?? "?"} uid ${uid ?? "?"}` +
    `  ${calls} calls${waiting}  up ${age}, idle ${span(idle_s)}\n` +
    `    ${style.dim(`${visible(executable?.path ?? "its program is not known")}${digest}`)}\n`;
}

function span(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}
