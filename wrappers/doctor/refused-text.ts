import { visible } from "../../sidecar/mod.ts";
import type { Style } from "../command.ts";
import type { Refused, RefusedProgram } from "./refused.ts";

/** The refusals, for people. Every value of a log is made harmless first. */
export function refusedText(refused: Refused, style: Style): string {
  const { logs, moreLogs, programs, morePrograms } = refused;
  if (logs.length === 0) return "No audit log, so nobody is known to have been refused\n";
  const lines = [style.bold(programs.length === 0 ? "Nobody was refused lately" : "Refused lately")];
  for (const { file, doubt } of logs) {
    if (doubt === null) continue;
    lines.push(`  ${style.red("do not rely on")} ${visible(file)}: ${visible(doubt)}`);
    lines.push(`    see 'mcp-guard audit verify'`);
  }
  for (const program of programs) lines.push(...programText(program, style));
  if (morePrograms > 0) lines.push(`  and ${morePrograms} more; see 'mcp-guard audit show --denied'`);
  if (moreLogs > 0) lines.push(`  ${moreLogs} older logs were not looked into; '--audit' names one`);
  const cut = logs.some(({ unread }) => unread > 0);
  if (cut) lines.push(style.dim("  Only the last mebibyte of each log was read."));
  if (programs.length > 0) {
    lines.push(
      style.dim(
        "  Whoever can write a log can make this up: its hashes have no key. A digest says which bytes were",
      ),
      style.dim("  refused; path and number say where they were seen, and nothing of whose they are."),
    );
  }
  return `${lines.join("\n")}\n`;
}

function programText({ file, times, latest, advice }: RefusedProgram, style: Style): string[] {
  const { time, code, reasons, sha256, grade, kind, path, pid, uid, transport, lineage } = latest;
  const often = times === 1 ? "once" : `${times} times`;
  const why = reasons.map((reason) => visible(reason)).join("; ");
  const digest = sha256 === undefined ? "sha256 unknown" : `sha256 ${sha256} (${grade ?? "no grade"})`;
  const account = uid === undefined ? "uid unknown" : `uid ${uid}`;
  const seen = [kind ?? "kind unknown", account, `then process ${pid ?? "?"}`, transport ?? "?"].join(", ");
  const parent = lineage.length === 0 ? [] : [`    its parent: sha256 ${lineage[0] ?? "unknown"}`];
  return [
    `  ${style.dim(time.replace("T", " ").replace("Z", ""))}  ${often}, last for ${code}: ${why}`,
    `    ${digest}`,
    `    ${path === undefined ? "no path" : visible(path)} (${seen})`,
    ...parent,
    `    ${style.dim(`in ${visible(file)}`)}`,
    ...(advice.command === null ? [] : [`    ${style.bold(advice.command)}`]),
    `    ${style.dim(visibleNote(advice.note))}`,
  ];
}

/** Notes are our own sentences; what a policy or a trust file put into them is made harmless without quotes. */
function visibleNote(note: string): string {
  return note.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
