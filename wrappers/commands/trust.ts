import {
  changeTrustFile,
  defaultTrustFile,
  readTrustFile,
  type TrustRecord,
  visible,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Terminal } from "../command.ts";
import { add } from "../trust/add.ts";
import { checkName } from "../trust/names.ts";

const help = `mcp-guard trust: accept programs by digest, for policies that say trust:NAME

Usage
  mcp-guard trust add <name> --path <file> [options]
  mcp-guard trust add <name> --pid <number> [options]
  mcp-guard trust list [--trust <file>] [--json]
  mcp-guard trust remove <name> [--sha256 <hex>] [--trust <file>] [--json]

For programs that update themselves: the policy names an entry of the trust file, and each new version is accepted here.

add     Shows what the program is and asks at the terminal. There is no way to answer beforehand. It refuses without a
        terminal, and when it was itself started by a program that is trusted already: an agent with a shell must not
        trust things for itself. That stops an agent, and accidents; it does not stop hostile code of the same user,
        which can make a terminal of its own, or write the file.
list    Shows what is trusted, and how it came to be.
remove  Takes back one digest of an entry, or all of them. It does not ask.

Options
  --path <file>    hash this file; links are followed to the real one
  --pid <number>   hash what this process runs, whatever its file is now
  --tested         it is a runtime with one program inside, and runs nothing else whatever its environment says: you
                   tried that (see below). Without it the digest of such a program counts as 'heuristic'
  --note <text>    a version, a reason; for people
  --policy <file>  refuse also when a client of this policy started the command
  --var NAME=VALUE defines $NAME for that policy; may be given several times
  --sha256 <hex>   add: refuse any other digest than this one, which was seen before; remove: this digest only
  --trust <file>   another trust file than ~/.config/mcp-guard/trust.json (~ as in the user database, not $HOME)
  --json           one JSON object on standard output

Interpreters (node, python, a shell, …) are refused: their digest says nothing of the script, so such an entry could
not admit anybody. 'mcp-guard attest --pid <number> --as-policy' prints an entry that names the script. Relays (nc,
socat, ssh) are refused: whoever speaks through one is somebody else.

Testing a runtime with one program inside, for --tested
  bun    BUN_BE_BUN=1 <file> --version        must not print the version of bun
  node   NODE_OPTIONS=--nonsense <file>       must not complain of the option: else it obeys that variable
  deno   no such variable is known to us; see the notes of the version it was compiled with
What it loads by itself (plug-ins, a settings file that names code) is yours to judge.

Examples
  mcp-guard trust add claude-code --path ~/.local/bin/claude --tested --note 2.1.3
  mcp-guard trust add my-terminal --pid "$(pgrep -n kitty)"
  mcp-guard trust list --json | jq -r '.entries | keys[]'
  mcp-guard trust remove claude-code

Exit codes
  0  it is as asked for
  1  refused, not confirmed, or nothing to remove
  2  wrong usage
`;

export const command: Command = { summary: "accept programs by digest, for trust:NAME", help, run };

const SUBCOMMANDS: ReadonlyMap<string, (args: readonly string[], terminal: Terminal) => Promise<number>> =
  new Map([
    ["add", add],
    ["list", list],
    ["remove", remove],
  ]);

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = "", ...rest] = args;
  const subcommand = SUBCOMMANDS.get(name);
  if (subcommand === undefined) {
    const what = name === "" ? "needs a command" : `has no command '${name}'`;
    throw new UsageError(`'mcp-guard trust' ${what}: add, list or remove; see 'mcp-guard trust --help'`);
  }
  return await subcommand(rest, terminal);
}

async function list(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArguments(
    "mcp-guard trust list",
    args,
    { trust: { type: "string" }, json: { type: "boolean" } },
    { min: 0, max: 0 },
  );
  const file = values.trust ?? defaultTrustFile();
  const entries = readTrustFile(file);
  if (values.json) terminal.out(`${JSON.stringify({ file, entries: plain(entries) })}\n`);
  else if (entries.size === 0) terminal.out(`Nothing is trusted by name in ${visible(file)}\n`);
  else terminal.out([...entries].map(([name, records]) => format(name, records, terminal)).join(""));
  return 0;
}

/** On a null prototype: whatever the names are, they are keys of their own. */
function plain(entries: ReadonlyMap<string, readonly TrustRecord[]>): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, digests] of entries) result[name] = { digests };
  return result;
}

function format(name: string, records: readonly TrustRecord[], { style }: Terminal): string {
  const lines = records.flatMap(({ sha256, path, kind, added, by, tested, note }) => [
    `  ${sha256}  ${kind}${tested ? ", tested" : ""}`,
    `    ${style.dim(`${path === undefined ? "no path led to it" : visible(path)}`)}`,
    `    ${style.dim(`added ${added} by ${by}${note === undefined ? "" : `: ${visible(note)}`}`)}`,
  ]);
  return [style.bold(name), ...lines, ""].join("\n");
}

async function remove(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments(
    "mcp-guard trust remove",
    args,
    { sha256: { type: "string" }, trust: { type: "string" }, json: { type: "boolean" } },
    { min: 1, max: 1 },
  );
  const name = checkName(positionals[0]!);
  const digest = values.sha256?.toLowerCase();
  if (digest !== undefined && !/^[0-9a-f]{64}$/.test(digest)) {
    throw new UsageError("'--sha256' takes 64 hex digits; see 'mcp-guard trust list'");
  }
  const file = values.trust ?? defaultTrustFile();
  let removed: readonly TrustRecord[] = [];
  await changeTrustFile(file, (entries) => {
    const records = entries.get(name) ?? [];
    removed = records.filter(({ sha256 }) => digest === undefined || sha256 === digest);
    if (removed.length === 0) return entries;
    const kept = records.filter((each) => !removed.includes(each));
    const others = [...entries].filter(([other]) => other !== name);
    return new Map([...others, ...(kept.length === 0 ? [] : [[name, kept] as const])]);
  });
  if (values.json) terminal.out(`${JSON.stringify({ file, name, removed })}\n`);
  else if (removed.length > 0) terminal.out(removed.map(({ sha256 }) => `Removed ${sha256}\n`).join(""));
  if (removed.length > 0) return 0;
  terminal.err(`mcp-guard: Nothing was removed: ${visible(file)} has no such digest under '${name}'\n`);
  return 1;
}
