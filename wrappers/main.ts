import type { Command, Style, Terminal } from "./command.ts";
import { UsageError } from "./arguments.ts";
import { version } from "./version.ts";

const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = Object.assign(
  Object.create(null),
  {
    run: () => import("./commands/run.ts"),
    connect: () => import("./commands/connect.ts"),
    sessions: () => import("./commands/sessions.ts"),
    reload: () => import("./commands/reload.ts"),
    policy: () => import("./commands/policy.ts"),
    audit: () => import("./commands/audit.ts"),
    attest: () => import("./commands/attest.ts"),
    trust: () => import("./commands/trust.ts"),
    doctor: () => import("./commands/doctor.ts"),
  },
);

/** Runs one sub-command and sets the exit code. Nothing here throws to the runtime. */
export async function main(args: readonly string[]): Promise<void> {
  const terminal = openTerminal();
  try {
    process.exitCode = await dispatch(args, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`mcp-guard: ${error.message}\n`);
      process.exitCode = 2;
      return;
    }
    const { GuardError } = await import("../sidecar/mod.ts");
    const code = error instanceof GuardError ? ` [${error.code}]` : "";
    terminal.err(`mcp-guard: ${error instanceof Error ? error.message : String(error)}${code}\n`);
    process.exitCode = 1;
  }
}

async function dispatch(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    terminal.out(`mcp-guard ${version}\n`);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const topic = name === "help" ? rest[0] : undefined;
    const page = topic === undefined ? await overview() : (await load(topic)).help;
    (name === undefined ? terminal.err : terminal.out)(page);
    return name === undefined ? 2 : 0;
  }
  const command = await load(name);
  // Everything after `--` belongs to the server: its own --help is not ours.
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (own.includes("--help") || own.includes("-h")) {
    terminal.out(command.help);
    return 0;
  }
  return await command.run(rest, terminal);
}

async function load(name: string): Promise<Command> {
  const loader = COMMANDS[name];
  if (loader === undefined) {
    throw new UsageError(`There is no command '${name}'; see 'mcp-guard --help'`);
  }
  return (await loader()).command;
}

async function overview(): Promise<string> {
  const rows: string[] = [];
  for (const name of Object.keys(COMMANDS)) rows.push(`  ${name.padEnd(9)} ${(await load(name)).summary}`);
  return `mcp-guard ${version}: a security sidecar for MCP servers

Usage
  mcp-guard run [options] -- <server command>
  mcp-guard <command> --help

Commands
${rows.join("\n")}

Examples
  mcp-guard run -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-guard run --policy files.yaml -- node ./server.js
  mcp-guard policy check files.yaml
  mcp-guard audit show

Exit codes
  0  fine
  1  the answer is no, or it failed; 'run' hands on the server's own code
  2  wrong usage
`;
}

function openTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    // Only asked for by commands that print: in `run` fd 1 is the peer's, and `process.stdout` must not touch it.
    get style() {
      return styleFor(process.stdout.isTTY === true);
    },
  };
}

function styleFor(isTerminal: boolean): Style {
  const { NO_COLOR, TERM } = process.env;
  const coloured = isTerminal && NO_COLOR === undefined && TERM !== "dumb";
  const paint = (code: number) => (text: string) => coloured ? `\x1b[${code}m${text}\x1b[0m` : text;
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33) };
}
