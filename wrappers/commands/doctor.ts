import {
  auditFolder,
  examineSystem,
  examineTrustFile,
  type Finding,
  openPlatform,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Style, Terminal } from "../command.ts";
import { findRefused, type RefusedOptions } from "../doctor/refused.ts";
import { refusedText } from "../doctor/refused-text.ts";
import { parseVariables } from "../variables.ts";

const help = `mcp-guard doctor: show what this system offers, and what follows from it

Usage
  mcp-guard doctor [--policy FILE [--var NAME=VALUE]...] [--name NAME | --audit FILE] [--trust FILE]
                   [--json]

It asks the kernel for peer credentials and process handles, looks at the runtime and its options, and at the folders
that are used. Then it looks at the ends of audit logs (a mebibyte of each) for who was refused lately, and says which
command would trust it. Nothing leaves this machine, and nothing is changed.

  ok       as it should be
  limited  it works, with less evidence or less protection
  missing  mcp-guard cannot be used until this is solved

Who was refused is the log's word. Its hashes have no key: whoever can write a log can make up a refusal, so that you
trust what it names. A digest says which bytes were refused; a path says where they were seen. Look at both, and trust
only what you know. The command names the digest, so that nothing else is trusted in its place; it asks as ever.

Options
  --policy FILE     the log of this policy, and the entries of the trust file that it refers to
  --var NAME=VALUE  defines $NAME for that policy; may be given several times
  --name NAME       the log that 'mcp-guard run --name NAME' keeps
  --audit FILE      this log. Without any of these: the newest logs in the state folder
  --trust FILE      another trust file than ~/.config/mcp-guard/trust.json
  --json            one JSON object on standard output: { "usable": …, "findings": [{ name, state, found, means }],
                    "refused": { logs, moreLogs, programs: [{ file, times, latest, advice: { command, note } }], … } }

Examples
  mcp-guard doctor
  mcp-guard doctor --policy files.yaml
  mcp-guard doctor --json | jq '.findings[] | select(.state != "ok")'
  docker run --rm my-image mcp-guard doctor      before a container is relied upon

Exit codes
  0  usable
  1  something is missing
  2  wrong usage
`;

export const command: Command = { summary: "show what this kernel, runtime and account offer", help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const options = parse(args);
  const { env, execArgv } = process;
  const findings = [
    ...examineSystem(openPlatform(), { env, execArgv, auditFolder: auditFolder() }),
    examineTrustFile(options.trust),
  ];
  const usable = findings.every((finding) => finding.state !== "missing");
  const refused = await findRefused(options);
  if (options.json) terminal.out(`${JSON.stringify({ usable, findings, refused })}\n`);
  else terminal.out(`${format(findings, usable, terminal.style)}\n${refusedText(refused, terminal.style)}`);
  return usable ? 0 : 1;
}

function parse(args: readonly string[]): RefusedOptions & { readonly json: boolean } {
  const { values } = parseArguments("mcp-guard doctor", args, {
    json: { type: "boolean" },
    policy: { type: "string" },
    var: { type: "string", multiple: true },
    name: { type: "string" },
    audit: { type: "string" },
    trust: { type: "string" },
  }, { min: 0, max: 0 });
  const { policy, name, audit, trust, json = false } = values;
  const help = "see 'mcp-guard doctor --help'";
  if (name !== undefined && audit !== undefined) {
    throw new UsageError(`'mcp-guard doctor' takes either --name or --audit; ${help}`);
  }
  if (values.var !== undefined && policy === undefined) {
    throw new UsageError(`'--var' belongs to a policy: name it by --policy; ${help}`);
  }
  const vars = parseVariables(values.var ?? []);
  return { audit, name, trust, json, policy: policy === undefined ? undefined : { file: policy, vars } };
}

function format(findings: readonly Finding[], usable: boolean, style: Style): string {
  const paint = { ok: style.green, limited: style.yellow, missing: style.red };
  const width = Math.max(...findings.map((finding) => finding.name.length));
  const lines = findings.flatMap(({ name, state, found, means }) => [
    `${paint[state](state.padEnd(7))}  ${name.padEnd(width)}  ${printable(found)}`,
    `         ${" ".repeat(width)}  ${style.dim(means)}`,
  ]);
  const verdict = usable ? style.green("Usable") : style.red("Not usable: see what is missing");
  return `${lines.join("\n")}\n${verdict}\n`;
}

/** Folder names and NODE_OPTIONS come from the environment: a terminal must not obey them. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
