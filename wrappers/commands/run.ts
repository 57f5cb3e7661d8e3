import { guard } from "../../sidecar/sidecar.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";
import { parseVariables } from "../variables.ts";
import { version } from "../version.ts";

const HELP = `Start an MCP server and guard it

Usage
  mcp-guard run [options] -- <server command>
  mcp-guard run --policy FILE          (where the policy names the command)

Whoever started it is let in by the policy's 'clients', or without one only if it is a process of our own user; anybody
else is refused before the server hears of them.

The server is any stdio MCP server, unmodified. mcp-guard speaks MCP on its own stdin and stdout, knows who started it
from the kernel, decides every message by the policy and writes an audit record before it passes it on.
Without --policy nothing is blocked: everything passes and is recorded.

Options
  -p, --policy FILE        Policy to enforce; see 'mcp-guard policy --help'
      --var NAME=VALUE     A $NAME of the policy (repeatable)
      --audit FILE         Audit log; the default is a file of the server's name in the user's state folder
      --trust FILE         Accepted digests that 'trust:NAME' of the policy speaks of; see 'mcp-guard trust --help'
      --name NAME          The server's name in the audit log; the default is the policy's, else the command's
      --pass-env NAME      Give the server this variable of our environment, beside the policy's list (repeatable)
      --observe-with-secrets
                           Start although the policy only observes and has 'server.env.secrets'
      --stderr-prefix TEXT Put TEXT before each line the server writes to stderr
      --listen URL         Listen instead of standing on stdin and stdout (repeatable); each peer that is admitted gets
                           a server of its own
                             unix:PATH         a Unix socket; 'unix:' alone is a socket of the server's name in the
                                               runtime folder
                             unix+http:PATH    the same, Streamable HTTP at /mcp
                             http://127.0.0.1:PORT   Streamable HTTP at /mcp on loopback; PORT 0 takes a free one.
                                               Only for entries of 'clients' that say 'proof: not-required'
      --allow-remote HOST  Let http: doors listen beyond loopback, behind a proxy that speaks TLS and passes the name
                           HOST on (repeatable)
      --control PATH       Where the control socket lies (see 'mcp-guard sessions --help'); the default is a name of the
                           server and this process in the runtime folder
      --no-control         Open none
      --max-line BYTES     Longest message taken from the client; the default is 8388608

Examples
  mcp-guard run -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-guard run --policy files.yaml -- node ./server.js
  mcp-guard run --policy files.yaml --listen unix:/run/user/1000/mcp-guard/files.sock -- node ./server.js
  mcp-guard run -p files.yaml --var TEAM=blue --audit ./files.audit.jsonl -- ./server

In an MCP client's configuration
  "command": "mcp-guard", "args": ["run", "--policy", "/home/me/files.yaml", "--", "node", "/srv/server.js"]

Exit codes
  the server's own; 128+n when signal n ended it; 127 when it could not be started;
  1 when the guard could not start (policy, audit log, platform) or whoever started it is not admitted;
  0 when a guard that listens was stopped by a signal; 2 for wrong usage
`;

export const command: Command = {
  summary: "start an MCP server and guard it",
  help: HELP,

  async run(args: readonly string[], terminal: Terminal): Promise<number> {
    const { own, server } = splitAtServer(args);
    const { values } = parseArguments("mcp-guard run", own, {
      policy: { type: "string", short: "p" },
      var: { type: "string", multiple: true },
      audit: { type: "string" },
      trust: { type: "string" },
      name: { type: "string" },
      "pass-env": { type: "string", multiple: true },
      "observe-with-secrets": { type: "boolean" },
      "stderr-prefix": { type: "string" },
      listen: { type: "string", multiple: true },
      "allow-remote": { type: "string", multiple: true },
      control: { type: "string" },
      "no-control": { type: "boolean" },
      "max-line": { type: "string" },
    }, { min: 0, max: 0 });
    if (server === undefined && values.policy === undefined) {
      throw new UsageError("'mcp-guard run' needs a server: 'mcp-guard run -- <server command>'");
    }
    for (const [option, value] of Object.entries(values)) {
      if (value === "") throw new UsageError(`--${option} is empty`);
    }
    for (const variable of values["pass-env"] ?? []) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
        throw new UsageError(`--pass-env takes the name of a variable, not '${variable}'`);
      }
    }
    if (values.control !== undefined && !values.control.startsWith("/")) {
      throw new UsageError(`--control takes an absolute path, not '${values.control}'`);
    }
    const code = await guard({
      command: server,
      policyFile: values.policy,
      variables: parseVariables(values.var ?? []),
      auditFile: values.audit,
      trustFile: values.trust,
      name: values.name,
      passEnv: values["pass-env"] ?? [],
      observeWithSecrets: values["observe-with-secrets"] === true,
      stderrPrefix: values["stderr-prefix"],
      listen: (values.listen ?? []).map(parseDoor),
      allowRemote: values["allow-remote"] ?? [],
      control: values["no-control"] === true ? false : values.control,
      maxLine: parseMaxLine(values["max-line"]),
      version,
      notice: (text) => terminal.err(`mcp-guard: ${text}\n`),
    });
    // Signal listeners and inherited descriptors would keep the process: everything is said and closed by now.
    process.exit(code);
  },
};

function splitAtServer(
  args: readonly string[],
): { own: readonly string[]; server: readonly string[] | undefined } {
  const at = args.indexOf("--");
  if (at < 0) return { own: args, server: undefined };
  const server = args.slice(at + 1);
  if (server.length === 0) throw new UsageError("There is no server command after '--'");
  return { own: args.slice(0, at), server };
}

/** `unix:` or `unix+http:` and an absolute path or nothing behind it, or `http:` with an address and a port. */
function parseDoor(url: string): string {
  if (/^unix(\+http)?:(\/.+)?$/s.test(url)) return url;
  if (/^http:\/\/(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d{1,5}\/?$/i.test(url) && URL.canParse(url)) {
    return url;
  }
  const hint = "write unix:/path/to.sock, unix+http:/path/to.sock or http://127.0.0.1:PORT";
  throw new UsageError(`--listen cannot be '${url}': ${hint}`);
}

/** Not over the 10 MiB at which servers built with the MCP SDK end themselves. */
function parseMaxLine(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = Number(text);
  if (!Number.isInteger(bytes) || bytes < 1024 || bytes > 64 * 1024 * 1024) {
    throw new UsageError(`--max-line takes a number of bytes from 1024 to 67108864, not '${text}'`);
  }
  return bytes;
}
