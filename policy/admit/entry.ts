/** One entry of `clients`, judged against evidence. */
import type { AdmissionWorld, ClientEvidence, ProcessFacts, WantedFact } from "../clients.ts";
import type { Grade } from "../fact.ts";
import { accountOf, type AccountPattern, matchAccount } from "./account.ts";
import { matchArgv } from "./argv.ts";
import { capEnvironment } from "./environment.ts";
import type { Forbidden } from "./forbid/forbid.ts";
import { matchParents, type ParentStep } from "./parents.ts";
import { matchProgram, type ProgramPattern } from "./program.ts";
import {
  atLeast,
  cap,
  differs,
  type Finding,
  mismatch,
  NOTHING_NEEDED,
  together,
  type Worth,
} from "./worth.ts";

export interface ClientEntry {
  readonly name: string;
  /** For the peer's own facts that the entry names. */
  readonly floor: Grade;
  readonly parentsFloor: Grade;
  readonly account: AccountPattern;
  /** Undefined: neither an executable nor a script is named. */
  readonly program: ProgramPattern | undefined;
  readonly parents: readonly ParentStep[] | undefined;
  readonly argv: readonly (readonly string[])[] | undefined;
  readonly envOk: ReadonlySet<string>;
  readonly forbid: readonly Forbidden[];
  readonly proof: "required" | "not-required";
  readonly sender: "every" | "first";
  readonly via: "direct" | "shim";
}

/** What of the three weakens an entry, and how its floors must give way. */
export type Weakening = Pick<ClientEntry, "proof" | "sender" | "via">;

/**
 * The most that anything measured is worth to an entry, whatever grade it came with.
 *
 * Nobody proves that what was measured is what speaks: then it may be a helper that speaks, under the name of the
 * program that was measured. On our own standard streams it is at least who started us.
 */
export function mostOf({ proof, sender, via }: Weakening, transport: string): Worth {
  let most: Worth = NOTHING_NEEDED;
  if (via === "shim") most = cap(most, "lineage", "nobody proves that it is what speaks");
  if (proof === "not-required") {
    const grade = transport.startsWith("stdio-") ? "lineage" : "heuristic";
    most = cap(most, grade, "the entry waives the proof of who speaks");
  }
  if (sender === "first") {
    most = cap(most, "heuristic", "the entry lets others speak after the first message");
  }
  return most;
}

/** Whether nothing but the account is asked of the peer. */
export function isAccount({ program, parents, argv, forbid }: ClientEntry): boolean {
  return program === undefined && parents === undefined && argv === undefined &&
    forbid.every(({ wants }) => wants === undefined);
}

/** What has to be measured before the entry can be judged. */
export function wantsOf({ program, parents, argv, forbid }: ClientEntry): readonly WantedFact[] {
  const scripts = parents?.some((step) => typeof step === "object" && step.script !== undefined);
  return [
    // Of a script too it must be known what was given it, and what else was loaded.
    ...(program === undefined ? [] : ["executable", "loaders", "mappings"] as const),
    ...(program?.script === undefined ? [] : ["script"] as const),
    ...(parents === undefined ? [] : ["parents"] as const),
    ...(scripts ? ["parent-scripts"] as const : []),
    ...(argv === undefined ? [] : ["argv"] as const),
    ...forbid.flatMap(({ wants }) => wants ?? []),
  ];
}

/** What the entry makes of the peer: the lowest grade among the facts it needs, or why it does not match. */
export function matchEntry(entry: ClientEntry, evidence: ClientEvidence, world: AdmissionWorld): Finding {
  if (entry.via !== world.via) {
    return mismatch(`it comes ${world.via === "shim" ? "through the shim" : "directly"}`);
  }
  const account = atLeast(matchAccount(entry.account, accountOf(evidence)), entry.floor, "its account");
  if (differs(account)) return account;
  const most = mostOf(entry, evidence.transport);
  const finding = together(account, matchOwn(entry, evidence, world, most));
  if (differs(finding)) return finding;
  const forbidden = entry.forbid.find((one) => one.fires(evidence));
  return forbidden === undefined
    ? finding
    : mismatch(`its '${forbidden.kind}' is forbidden, or cannot be told`);
}

function matchOwn(entry: ClientEntry, evidence: ClientEvidence, world: AdmissionWorld, most: Worth): Finding {
  const { program, parents, argv } = entry;
  const { process } = evidence;
  if (program === undefined && parents === undefined && argv === undefined) return NOTHING_NEEDED;
  if ("absent" in process) return mismatch("its process could not be measured");
  let finding: Finding = NOTHING_NEEDED;
  if (program !== undefined) finding = matchPeer(entry, program, process, world, most);
  if (argv !== undefined) finding = together(finding, matchArgv(argv, process.argv));
  if (parents === undefined || differs(finding)) return finding;
  const bounds = { floor: entry.parentsFloor, most };
  return together(finding, matchParents(parents, evidence.lineage.ancestors, world, bounds));
}

function matchPeer(
  entry: ClientEntry,
  program: ProgramPattern,
  process: ProcessFacts,
  world: AdmissionWorld,
  most: Worth,
): Finding {
  const finding = matchProgram(program, process, world);
  if (differs(finding)) return finding;
  const worth = cap(capEnvironment(finding, process, entry.envOk), most.grade, most.lowered ?? "");
  return atLeast(worth, entry.floor, "its program");
}
