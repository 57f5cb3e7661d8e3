import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import {
  type LoggedRefusal,
  meaningOfProgram,
  type RuntimeKind,
  type TrustEntries,
} from "../../sidecar/mod.ts";

/** What a person could do about a program that was refused. */
export interface Advice {
  /** For a shell, to be run as it is once NAME is filled in; null where trusting it would change nothing. */
  readonly command: string | null;
  /** What the command would not say, or why there is none. */
  readonly note: string;
}

/** What advice goes by, beside the record. */
export interface AdviceWorld {
  /** Why the log is not to be believed, if it is not. */
  readonly doubt: string | undefined;
  /** Entries of the trust file that the policy refers to; undefined where no policy was given. */
  readonly names: readonly string[] | undefined;
  readonly entries: TrustEntries;
  /** The file that they stand in, where it is not the default one. */
  readonly trust: string | undefined;
  readonly policy: { readonly file: string; readonly vars: Readonly<Record<string, string>> } | undefined;
}

/** Longer ones are cut in the log. */
const PATH_LIMIT = 512;

/**
 * The command that trusts what was refused, and nothing else: it names the digest, since by now another program may lie
 * at that path, and the process with that number may be another. It asks at the terminal, as ever.
 */
export function adviseOn(refusal: LoggedRefusal, world: AdviceWorld): Advice {
  const { code, sha256, kind, path } = refusal;
  if (world.doubt !== undefined) return none("Nothing should be trusted on the word of this log");
  if (code !== "ERR_PEER_REFUSED") {
    return none("It was not judged by its digest: trusting it changes nothing");
  }
  if (sha256 === undefined || kind === undefined) {
    return none("Its program could not be measured: there is nothing to trust");
  }
  const trusted = trustedAs(sha256, world);
  if (trusted !== undefined) {
    return none(`Its digest is trusted as ${trusted}: if it is refused again, see the reason`);
  }
  // An unknown kind counts as one that passes on whatever it is given.
  const { meaning } = meaningOfProgram(kind as RuntimeKind, path);
  switch (meaning) {
    case "anything":
      return none("It passes on, or runs, whatever it is given: never an identity");
    case "script":
      return none(scriptNote(refusal));
    case "compiled":
    case "itself":
      return trusting(sha256, path, meaning === "compiled", world);
  }
}

function trusting(sha256: string, path: string | undefined, compiled: boolean, world: AdviceWorld): Advice {
  const lies = path === undefined ? "no path led to it" : whyNotAt(path);
  if (lies !== undefined) {
    return none(`${lies}: let it ask again, and trust it by '--pid' and '--sha256' while it runs`);
  }
  const { names, policy } = world;
  const name = names?.length === 1 ? names[0]! : "NAME";
  const vars = Object.entries(policy?.vars ?? {}).flatMap(([key, value]) => ["--var", `${key}=${value}`]);
  const judged = policy === undefined ? [] : ["--policy", resolve(policy.file), ...vars];
  const file = world.trust === undefined ? [] : ["--trust", resolve(world.trust)];
  const words = ["mcp-guard", "trust", "add", name, "--path", path!, "--sha256", sha256, ...judged, ...file];
  if (!words.every((word) => isPrintable(word))) return none("Its path, or the policy's, cannot be shown");
  return { command: words.map(quoted).join(" "), note: trustNote(name, names, compiled) };
}

function trustNote(name: string, names: readonly string[] | undefined, compiled: boolean): string {
  const what = names?.length === 0
    ? "The policy refers to no trust:NAME: without one, this changes nothing"
    : name === "NAME"
    ? "NAME is what the policy calls trust:NAME"
    : "It helps where the reason is the digest";
  return compiled ? `${what}; '--tested' only after the test in 'mcp-guard trust --help'` : what;
}

function scriptNote({ kind, scriptSha256 }: LoggedRefusal): string {
  const what = `What a program of kind '${kind}' does depends on its script, which the policy has to name`;
  if (scriptSha256 === undefined) return `${what}: 'mcp-guard attest --pid … --as-policy' while it runs`;
  return `${what}; its own word for it was sha256 ${scriptSha256}`;
}

function trustedAs(sha256: string, { names, entries }: AdviceWorld): string | undefined {
  for (const [name, records] of entries) {
    if (names !== undefined && !names.includes(name)) continue;
    if (records.some((record) => record.sha256 === sha256)) return name;
  }
  return undefined;
}

/** A look at the path only: whether it is still the same program is for the command to find out. */
function whyNotAt(path: string): string | undefined {
  if (!path.startsWith("/") || path.length > PATH_LIMIT) return "Its path is not known";
  try {
    return lstatSync(path).isFile() ? undefined : "No program lies at its path any more";
  } catch {
    return "No program lies at its path any more";
  }
}

/** A path may hold what repaints a terminal, or turns a line around. U+FFFD stands for bytes that were no text. */
function isPrintable(word: string): boolean {
  return !/[\p{C}\p{Zl}\p{Zp}\ufffd]/u.test(word);
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function none(note: string): Advice {
  return { command: null, note };
}
