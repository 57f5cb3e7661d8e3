import {
  auditFolder,
  examineSystem,
  examineTrustFile,
  type Finding,
  openPlatform,
} from "../../sidecar/mod.ts";
import { parseArguments } from "../arguments.ts";
import type { Command, Style, Terminal } from "../command.ts";

const help = `mcp-guard doctor: show what this system offers, and what follows from it

Usage
  mcp-guard doctor [--json]

It asks the kernel for peer credentials and process handles, looks at the runtime and its options, and at the folders
that are used. Nothing leaves this machine.

  ok       as it should be
  limited  it works, with less evidence or less protection
  missing  mcp-guard cannot be used until this is solved

Options
  --json  one JSON object on standard output: { "usable": …, "findings": [{ name, state, found, means }] }

Examples
  mcp-guard doctor
  mcp-guard doctor --json | jq '.findings[] | select(.state != "ok")'
  docker run --rm my-image mcp-guard doctor      before a container is relied upon

Exit codes
  0  usable
  1  something is missing
  2  wrong usage
`;

export const command: Command = { summary: "show what this kernel, runtime and account offer", help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArguments("mcp-guard doctor", args, { json: { type: "boolean" } }, {
    min: 0,
    max: 0,
  });
  const { env, execArgv } = process;
  const findings = [
    ...examineSystem(openPlatform(), { env, execArgv, auditFolder: auditFolder() }),
    examineTrustFile(),
  ];
  const usable = findings.every((finding) => finding.state !== "missing");
  terminal.out(
    values.json ? `${JSON.stringify({ usable, findings })}\n` : format(findings, usable, terminal.style),
  );
  return usable ? 0 : 1;
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
