import { meaningOfProgram, type ProgramMeaning, type TrustRecord, visible } from "../../sidecar/mod.ts";
import type { Candidate } from "./candidate.ts";

/** What the candidate is to be taken for, by its bytes and by where it lies. */
export function meaningOfCandidate({ kind, path }: Candidate): ProgramMeaning {
  return meaningOfProgram(kind, "absent" in path ? undefined : path.value);
}

/** What a person sees before the question. Every value is made harmless: a file can be named so as to repaint it. */
export function describe(candidate: Candidate, tested: boolean, others: readonly string[]): string {
  const { path, sha256, kind, size, owner, immutable } = candidate;
  const rows: [string, string][] = [
    ["path", "absent" in path ? `no path leads to it (${path.absent})` : visible(path.value)],
    ["sha256", sha256],
    ["size", `${size} bytes`],
    ["owner", `uid ${owner}; ${immutable ? "only root can change it" : "not only root can change it"}`],
    ["kind", kind],
  ];
  const remarks = [...candidate.remarks.map(visible), ...kindRemarks(candidate, tested), ...others];
  return [
    ...rows.map(([name, value]) => `  ${name.padEnd(7)} ${value}`),
    ...remarks.map((remark) => `  ! ${remark}`),
    "",
  ].join("\n");
}

function kindRemarks(candidate: Candidate, tested: boolean): string[] {
  if (meaningOfCandidate(candidate).meaning !== "compiled") return [];
  return tested
    ? ["You say that it runs no code but its own, whatever its environment says"]
    : ["A runtime with one program inside: without --tested only an entry with 'grade: heuristic' takes it"];
}

/** Why a digest of this kind cannot be trusted, and what to write instead. */
export function refusalOfKind(candidate: Candidate, pid: string | undefined): string | undefined {
  const { path } = candidate;
  const { kind, meaning } = meaningOfCandidate(candidate);
  const what = "absent" in path ? "it" : visible(path.value);
  if (kind === "unknown-runtime") {
    return `what ${what} would run cannot be told from its bytes, so its digest says nothing`;
  }
  switch (meaning) {
    case "script":
      return `${what} (${kind}) runs whatever it is given, so its digest says nothing of the script; ` +
        "such an entry cannot admit anybody. Name the script in the policy: " +
        `'mcp-guard attest --pid ${pid ?? "<number>"} --as-policy' prints an entry`;
    case "anything":
      return `${what} (${kind}) passes on, or runs, whatever it is given: never an identity. ` +
        "Name the program that speaks through it";
    case "compiled":
    case "itself":
      return undefined;
  }
}

/** The same program, accepted under the same name in the same way already. */
export function isSame(record: TrustRecord, candidate: Candidate, tested: boolean): boolean {
  return record.sha256 === candidate.sha256 && record.kind === candidate.kind && record.tested === tested;
}
