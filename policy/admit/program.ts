/**
 * The program that an entry names: the executable of a process, and the script that it was given.
 *
 * A digest identifies a program only if the program does nothing but what is in the file. An interpreter does what its
 * script says, and which script that is only the process itself says, hence `heuristic`; a relay does what whoever
 * holds its other end says.
 */
import type {
  AdmissionWorld,
  ExecutableFacts,
  ProcessFacts,
  ScriptFacts,
  TrustedDigest,
} from "../clients.ts";
import { type Fact, isKnown } from "../fact.ts";
import { type Meaning, meaningOf } from "./runtime.ts";
import { cap, differs, type Finding, mismatch, need, NOTHING_NEEDED, together } from "./worth.ts";

export interface ProgramPattern {
  readonly executable: ExecutablePattern | undefined;
  readonly script: ScriptPattern | undefined;
}

/** Everything that is given must hold. */
export interface ExecutablePattern {
  readonly digests: DigestSet | undefined;
  readonly path: string | undefined;
  readonly immutable: boolean;
}

export interface ScriptPattern {
  readonly digests: DigestSet;
  readonly path: string | undefined;
}

export interface DigestSet {
  readonly literal: ReadonlySet<string>;
  /** Entries of the trust file. */
  readonly trust: readonly string[];
}

/** Whether a process, the peer or an ancestor, runs the program; before anything that its environment takes away. */
export function matchProgram(pattern: ProgramPattern, process: ProcessFacts, world: AdmissionWorld): Finding {
  const { runtime } = process.executable;
  // Bytes whose kind nobody could tell may be a relay's.
  if (!isKnown(runtime)) return need(runtime, "the kind of its program", () => true);
  const meaning = meaningOf(runtime.value);
  const flaw = flawOf(meaning, pattern);
  if (flaw !== undefined) return mismatch(flaw);
  const executable = matchExecutable(pattern.executable, process.executable, meaning, world);
  return together(executable, matchScript(pattern.script, process.script, world));
}

function flawOf(meaning: Meaning, { script }: ProgramPattern): string | undefined {
  if (meaning === "anything") return "its program runs or passes on whatever it is given";
  if (meaning === "script" && script === undefined) {
    return "its program is an interpreter, and the entry names no script";
  }
  // A script that somebody claims beside a program that takes none is a claim and nothing else.
  return meaning !== "script" && script !== undefined ? "its program is no interpreter" : undefined;
}

function matchExecutable(
  pattern: ExecutablePattern | undefined,
  facts: ExecutableFacts,
  meaning: Meaning,
  world: AdmissionWorld,
): Finding {
  if (pattern === undefined) return NOTHING_NEEDED;
  let finding: Finding = NOTHING_NEEDED;
  const { digests, path } = pattern;
  if (digests !== undefined) {
    finding = together(finding, matchDigest(digests, facts.sha256, "its executable's digest", world));
  }
  if (path !== undefined) {
    finding = together(
      finding,
      need(facts.path, "its executable's path", (it) => it === path),
    );
  }
  if (pattern.immutable) {
    finding = together(
      finding,
      need(facts.immutable, "that only root can change its executable", (it) => it),
    );
  }
  if (differs(finding)) return finding;
  // An interpreter's own digest needs no cap: it counts only beside a script, which has one.
  if (meaning !== "compiled" || isTested(digests, facts.sha256, world)) return finding;
  return cap(finding, "heuristic", "it is a single-file runtime that nobody tested");
}

function matchScript(pattern: ScriptPattern | undefined, facts: ScriptFacts, world: AdmissionWorld): Finding {
  if (pattern === undefined) return NOTHING_NEEDED;
  const { digests, path } = pattern;
  let finding = matchDigest(digests, facts.sha256, "its script's digest", world);
  if (path !== undefined) {
    finding = together(
      finding,
      need(facts.path, "its script's path", (it) => it === path),
    );
  }
  // Whatever grade it came with: which script it was given is what the process says of itself.
  return differs(finding) ? finding : cap(finding, "heuristic", "which script it runs is its own word");
}

function matchDigest(set: DigestSet, fact: Fact<string>, what: string, world: AdmissionWorld): Finding {
  return need(fact, what, (sha256) => set.literal.has(sha256) || trustedOf(set, sha256, world).length > 0);
}

/** A digest given in the policy itself says nothing of tests, whatever the trust file says of the same bytes elsewhere. */
function isTested(set: DigestSet | undefined, fact: Fact<string>, world: AdmissionWorld): boolean {
  if (set === undefined || !isKnown(fact)) return false;
  return trustedOf(set, fact.value, world).some((digest) => digest.tested);
}

function trustedOf(set: DigestSet, sha256: string, world: AdmissionWorld): readonly TrustedDigest[] {
  return set.trust.flatMap((name) => world.trusted(name)).filter((digest) => digest.sha256 === sha256);
}
