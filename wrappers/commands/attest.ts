import {
  attestProcess,
  attestStdio,
  createDigests,
  type Fact,
  type Lineage,
  openPlatform,
  type PeerEvidence,
  principalOf,
  type ProcessEvidence,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import { policyEntry } from "../attest/policy-entry.ts";
import type { Command, Style, Terminal } from "../command.ts";
import { checkName } from "../trust/names.ts";

const help = `mcp-guard attest: show what can be proven about who started this command

Usage
  mcp-guard attest [--json]
  mcp-guard attest --pid <number> [--json]
  mcp-guard attest --as-policy [--pid <number>] [--name <name>]

Without --pid it measures whoever is at the other end of standard input: the process that made the socket, or else
the parent; then the ancestors, nearest first. It is what 'run' records and what a policy can name.

Options
  --pid <number>  measure this process and its ancestors instead
  --json          one JSON object on standard output
  --as-policy     print a 'clients:' block that names this process, for a policy: what to demand of it, at which grade,
                  and in comments what else could be demanded. To be read before it is used
  --name <name>   what the client is called in that block, in rules and in the audit log

Grades, best first
  kernel      pinned by the kernel; the process cannot choose it
  immutable   measured, and only root can change the file
  measured    measured, of the process that is proven to speak
  lineage     measured, of an ancestor, or without proof of who speaks
  heuristic   readable, but anybody could have arranged it (a terminal, a file)
A fact that cannot be had is shown as absent, with the reason. A name is never evidence.

Examples
  mcp-guard attest
  mcp-guard attest --pid "$(pgrep -n claude)"
  mcp-guard attest --json | jq -r '.selectors[]'
  mcp-guard attest --as-policy --name claude-code --pid "$(pgrep -n claude)" >> files.yaml
  sh -c 'mcp-guard attest < /dev/null'      nobody is at the other end: grade heuristic

Exit codes
  0  a process was measured
  1  there is none, or it could not be identified; --as-policy: nothing that could be relied upon can be written
  2  wrong usage
`;

export const command: Command = { summary: "show who started us, and what proves it", help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArguments(
    "mcp-guard attest",
    args,
    {
      "pid": { type: "string" },
      "json": { type: "boolean" },
      "as-policy": { type: "boolean" },
      "name": { type: "string" },
    },
    { min: 0, max: 0 },
  );
  const asPolicy = values["as-policy"] === true;
  if (values.json && asPolicy) {
    throw new UsageError("'--as-policy' prints YAML, so it does not take '--json'");
  }
  if (values.name !== undefined && !asPolicy) throw new UsageError("'--name' belongs to '--as-policy'");
  const name = values.name === undefined ? undefined : checkName(values.name);
  const report = values.pid === undefined ? await attestPeer() : await attestNumber(readPid(values.pid));
  if (asPolicy) return printEntry(report, name, terminal);
  terminal.out(values.json ? `${JSON.stringify(report)}\n` : format(report, terminal.style));
  return "absent" in report.process ? 1 : 0;
}

function printEntry(report: Report, name: string | undefined, terminal: Terminal): number {
  const entry = policyEntry(report, { name, ownUid: process.getuid?.() });
  if ("yaml" in entry) {
    terminal.out(entry.yaml);
    return 0;
  }
  terminal.err(`mcp-guard: Cannot write an entry: ${entry.reason}\n`);
  return 1;
}

interface Report extends Partial<Pick<PeerEvidence, "transport" | "credentials">> {
  readonly process: PeerEvidence["process"];
  readonly lineage: Lineage;
  readonly selectors: readonly string[];
  /** Who it would be in rules and in the audit log, without a policy that names it. */
  readonly principal?: string;
}

async function attestPeer(): Promise<Report> {
  const digests = createDigests();
  const attestation = attestStdio(openPlatform(), { inputFd: 0, outputFd: 1, senders: false, digests });
  try {
    const evidence = await attestation.complete;
    return { ...evidence, principal: principalOf(evidence, "localhost").id };
  } finally {
    attestation.close();
    digests.close();
  }
}

async function attestNumber(pid: number): Promise<Report> {
  const digests = createDigests();
  try {
    return await attestProcess(openPlatform(), pid, digests);
  } finally {
    digests.close();
  }
}

function readPid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`'--pid' takes the number of a process, not '${text}'; see 'mcp-guard attest --help'`);
}

function format(report: Report, style: Style): string {
  const lines = [
    ...(report.transport === undefined ? [] : [`${style.bold("Transport")}  ${report.transport}`]),
    ...(report.principal === undefined ? [] : [`${style.bold("Principal")}  ${report.principal}`]),
    ...formatProcess(report.process, style),
    ...formatLineage(report.lineage, style),
    style.bold("Selectors"),
    ...report.selectors.map((selector) => `  ${printable(selector)}`),
  ];
  return `${lines.join("\n")}\n`;
}

function formatProcess(process: Report["process"], style: Style): string[] {
  if ("absent" in process) {
    return [`${style.bold("Process")}    ${style.yellow(`absent: ${process.absent}`)}`];
  }
  return [`${style.bold("Process")}    ${process.pid}`, ...formatFacts(process, style)];
}

function formatLineage(lineage: Lineage, style: Style): string[] {
  const hops = lineage.ancestors.flatMap((ancestor, hop) => [
    `${style.bold(`Ancestor ${hop}`)} ${ancestor.pid}`,
    ...formatFacts(ancestor, style),
  ]);
  return [...hops, `${style.bold("Lineage")}    ${ENDS[lineage.end]}`];
}

const ENDS: Record<Lineage["end"], string> = {
  init: "complete; pid 1 is next",
  "other-uid": "complete up to a process of another user",
  depth: "cut: too many ancestors",
  budget: "cut: took too long",
  broken: "broken: a parent ended, or is younger than its child",
  unreadable: "cut: the next parent cannot be read",
  pending: "not looked at",
};

function formatFacts({ uid, gid, executable }: ProcessEvidence, style: Style): string[] {
  return [
    formatFact("uid", uid, style),
    formatFact("gid", gid, style),
    formatFact("path", executable.path, style),
    formatFact("sha256", executable.sha256, style),
  ];
}

function formatFact(name: string, fact: Fact<string | number>, style: Style): string {
  const label = `  ${name.padEnd(8)}`;
  if ("absent" in fact) return `${label} ${style.yellow(`absent: ${fact.absent}`)}`;
  return `${label} ${printable(String(fact.value))}  ${style.dim(fact.grade)}`;
}

/** A file can be named so that a terminal obeys it: what is not plainly visible is shown as its code point. */
function printable(text: string): string {
  return text.replace(/[^\P{C} ]|[\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
