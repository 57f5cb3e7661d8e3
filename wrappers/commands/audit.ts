/** `mcp-guard audit`: proves and shows what guards recorded. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  auditFolder,
  AuditReader,
  type AuditReport,
  LogLine,
  messageOf,
  type RecordFilter,
  type ShownRecord,
  verifyAuditFile,
  visible,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Command, Style, Terminal } from "../command.ts";

const MAX_LAST = 100_000;

const help = `mcp-guard audit: prove and read the audit log

Usage
  mcp-guard audit verify [FILE] [--anchor FILE] [--json]
  mcp-guard audit show [FILE] [--last N] [--follow] [--denied] [--session ID] [--refusal ID] [--json]

FILE is a log as the policy's 'audit.file' names it. Without it, the logs in the state folder are meant
($XDG_STATE_HOME/mcp-guard or ~/.local/state/mcp-guard): 'verify' checks each, 'show' takes the newest.

verify
  Reads the whole log and checks that each record has the hash it carries and follows the one before it. Reports
  edited, missing, moved and repeated records, lines that are none, and with an anchor (default: FILE.anchor,
  where there is one) ends that were cut off and chains that are gone. "tail unproven" means that later records
  could have been cut off unseen: the guard still runs, or was killed before its last record was anchored.
  Whoever can write both log and anchor can rewrite both.

  --anchor FILE    compare with these heads; with a copy kept elsewhere, nobody who was here can have changed it
  --json           one JSON object per log

show
  Prints a line per record: time, outcome, who, what, why. Control and bidi characters are escaped. It proves
  nothing; 'verify' does.

  --last N         only the last N that match
  --follow         go on with what is written from now on, also after log rotation; stop with Ctrl-C
  --denied         only what was refused, or would have been in observe mode
  --session ID     only this session
  --refusal ID     the decision behind a refusal that a client was shown, such as 'k3fq-7hm2xw4c'
  --json           the records as they are, one line each

Examples
  mcp-guard audit verify
  mcp-guard audit verify files.audit.jsonl --anchor /mnt/usb/files.anchor
  mcp-guard audit show --last 20
  mcp-guard audit show --denied --follow
  mcp-guard audit show --refusal k3fq-7hm2xw4c --json

Exit codes
  0  nothing was altered; records were shown
  1  the log was altered, cannot be read, or no record matched
  2  wrong usage
`;

export const command: Command = {
  summary: "prove that the audit log is whole, and read it",
  help,
  async run(args, terminal) {
    const [action, ...rest] = args;
    if (action === "verify") return verify(rest, terminal);
    if (action === "show") return await show(rest, terminal);
    const given = action === undefined ? "'audit' needs 'verify' or 'show'" : `There is no 'audit ${action}'`;
    throw new UsageError(`${given}; see 'mcp-guard audit --help'`);
  },
};

function verify(args: readonly string[], terminal: Terminal): number {
  const { values, positionals } = parseArguments("mcp-guard audit", args, {
    json: { type: "boolean" },
    anchor: { type: "string" },
  }, { min: 0, max: 1 });
  const files = positionals.length > 0 ? positionals : logsInStateFolder();
  if (values.anchor !== undefined && files.length !== 1) {
    throw new UsageError("'--anchor' belongs to one log: name its file; see 'mcp-guard audit --help'");
  }
  let code = 0;
  for (const file of files) {
    const report = readable(file, () => verifyAuditFile(file, values.anchor));
    terminal.out(values.json === true ? `${JSON.stringify(report)}\n` : reportText(report, terminal.style));
    if (report.altered) code = 1;
  }
  return code;
}

function reportText(report: AuditReport, style: Style): string {
  const { findings, findingCount, notes, chains, records } = report;
  const verdict = report.altered ? style.red("ALTERED") : style.green("unaltered");
  const lines = [
    `${style.bold(visible(report.file))}: ${verdict}, ${count(records, "record")} in ${
      count(chains.length, "chain")
    }`,
  ];
  for (const { kind, message, line, chain, seq } of findings) {
    const where = line === undefined ? "" : ` line ${line}`;
    const which = chain === undefined ? "" : ` (chain ${chain}${seq === undefined ? "" : `, record ${seq}`})`;
    lines.push(`  ${style.red(kind)}${where}${which}: ${message}`);
  }
  if (findingCount > findings.length) lines.push(`  and ${findingCount - findings.length} more findings`);
  lines.push(...endsText(report, style), ...notes.map((note) => `  ${style.dim(`note: ${note}`)}`));
  return `${lines.join("\n")}\n`;
}

function endsText({ chains }: AuditReport, style: Style): string[] {
  const lines: string[] = [];
  const ends = (end: string) => chains.filter((chain) => chain.end === end);
  const proven = chains.length - ends("unproven").length - ends("cut").length;
  if (proven > 0) lines.push(`  ${count(proven, "chain")} proven to the end`);
  for (const { chain, lastSeq, anchoredSeq } of ends("unproven")) {
    const known = anchoredSeq === undefined ? "" : `, anchored up to record ${anchoredSeq}`;
    lines.push(`  ${style.yellow("tail unproven")} (chain ${chain}): it ends with record ${lastSeq}${known}`);
  }
  for (const { chain, dropped } of chains) {
    if (dropped > 0) {
      lines.push(`  ${style.yellow("lost")} (chain ${chain}): ${count(dropped, "record")} not written`);
    }
  }
  return lines;
}

async function show(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments("mcp-guard audit", args, {
    json: { type: "boolean" },
    follow: { type: "boolean" },
    denied: { type: "boolean" },
    session: { type: "string" },
    refusal: { type: "string" },
    last: { type: "string" },
  }, { min: 0, max: 1 });
  const file = positionals[0] ?? newestLog(terminal);
  const print = printer(values, values.json === true, terminal);
  const keep = lastOf(values.last);
  const reader = readable(file, () => new AuditReader(file));
  try {
    const shown = showExisting(reader, keep, print);
    if (values.follow !== true) return shown > 0 ? 0 : 1;
    for await (const line of reader.follow()) print(line)?.();
    return 0;
  } finally {
    reader.close();
  }
}

type Print = (line: string) => (() => void) | undefined;

/** @returns for each line, undefined when it does not match, else what prints it. */
function printer(filter: RecordFilter, json: boolean, terminal: Terminal): Print {
  const filtered = filter.session !== undefined || filter.refusal !== undefined || filter.denied === true;
  return (line) => {
    const record = LogLine.parse(line);
    if (record === undefined) {
      if (filtered) return undefined;
      const text = json
        ? ""
        : `${terminal.style.red("a broken line")}: ${line.length} bytes that are no record\n`;
      return () => terminal.out(text);
    }
    if (!record.matches(filter)) return undefined;
    return () => terminal.out(json ? `${asciiOnly(line)}\n` : recordText(record.show(), terminal.style));
  };
}

function showExisting(reader: AuditReader, keep: number | undefined, print: Print): number {
  let shown = 0;
  const kept: (() => void)[] = [];
  for (const line of reader.lines()) {
    const output = print(line);
    if (output === undefined) continue;
    shown++;
    if (keep === undefined) output();
    else if (kept.push(output) > keep) kept.shift();
  }
  for (const output of kept) output();
  return shown;
}

function recordText({ time, word, tone, who, text }: ShownRecord, style: Style): string {
  const padded = word.padEnd(13);
  const colour = { good: style.green, bad: style.red, warn: style.yellow, plain: style.dim }[tone];
  return `${style.dim(time)}  ${colour(padded)} ${who.padEnd(14)} ${text}\n`;
}

/** Records are ASCII as we write them; a line that somebody put into the log may hold anything. */
function asciiOnly(line: string): string {
  return line.replace(/[^\x20-\x7e]/g, (byte) => `\\u${byte.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function lastOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const last = /^[1-9][0-9]*$/.test(value) ? Number(value) : 0;
  if (last < 1 || last > MAX_LAST) {
    throw new UsageError(
      `'--last' takes a number from 1 to ${MAX_LAST}, not '${value}'; see 'mcp-guard audit --help'`,
    );
  }
  return last;
}

function newestLog(terminal: Terminal): string {
  const logs = logsInStateFolder().map((file) => ({ file, time: statSync(file).mtimeMs }));
  const { file } = logs.toSorted((a, b) => b.time - a.time)[0]!;
  if (logs.length > 1) {
    terminal.err(`mcp-guard: showing ${visible(file)}, the newest of ${logs.length} logs\n`);
  }
  return file;
}

function logsInStateFolder(): string[] {
  const folder = auditFolder();
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".audit.jsonl")) : [];
  if (names.length === 0) {
    throw new UsageError(
      `There is no audit log in '${folder}'; name its file, or see 'mcp-guard audit --help'`,
    );
  }
  return names.toSorted().map((name) => join(folder, name));
}

function readable<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`Cannot read "${file}": ${messageOf(error)}`, { cause: error });
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
