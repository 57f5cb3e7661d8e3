import { connectStdio } from "../../sidecar/connect.ts";
import { parseArguments } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";

const HELP = `Speak with a guard that runs elsewhere

Usage
  mcp-guard connect <socket>

It is what an MCP client starts in place of a server, when the guard was started before with '--listen unix:'. It hands
the standard input and output that the client gave it over to the guard, and stays out of the way: the guard then reads
from the kernel who the client is, and no byte passes through here. When it ends the session ends, and the other way
round.

<socket> is the path that the guard listens at, or its server's name, where it listens at the default one.

A client that gives its servers pipes (Python, Go and Rust clients do) is not named by the kernel. Then it is an ancestor
of this command that is taken for the client, at the grade lineage, for entries of the policy that say 'via: shim'.

Examples
  mcp-guard run --policy files.yaml --listen unix: -- node ./server.js      (in a service, once)
  mcp-guard connect files                                                   (by the client, for each session)
  mcp-guard connect /run/user/1000/mcp-guard/files.sock

In an MCP client's configuration
  "command": "mcp-guard", "args": ["connect", "files"]

Exit codes
  the server's own; 128+n when signal n ended it; 127 when it could not be started;
  1 when the client is not admitted, no guard listens there, or the guard was killed; 2 for wrong usage
`;

export const command: Command = {
  summary: "speak with a guard that listens at a socket",
  help: HELP,

  async run(args: readonly string[], terminal: Terminal): Promise<number> {
    const { positionals } = parseArguments("mcp-guard connect", args, {}, { min: 1, max: 1 });
    const farewell = await connectStdio(positionals[0]!);
    const message = farewell === undefined ? "The guard ended without a word" : farewell.message;
    if (message !== undefined) terminal.err(`mcp-guard: ${message}\n`);
    // What was handed over would keep the process.
    process.exit(farewell?.exit ?? 1);
  },
};
