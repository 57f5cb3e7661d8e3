/**
 * What people have accepted: digests under names that a policy refers to as `trust:NAME`.
 *
 * Trusted: root, and the user that runs the guard. Defended: a file that somebody else could have written, and one that
 * can be read in two ways; either counts as empty, which admits nobody. Left to others: what this same user writes
 * (see `mcp-guard trust --help`).
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { TrustedDigest } from "../../../policy/mod.ts";
import { GuardError, messageOf } from "../../model/errors.ts";
import { isMissing, readSafely } from "../safe-file.ts";
import { parseTrust, type TrustEntries } from "./trust-file-format.ts";
import { homeFolder } from "../variables.ts";

/** The trust file as a guard sees it: each look-up shows what it says now. */
export interface TrustFile {
  /** The accepted digests of an entry; empty when there is no such entry. Never throws. */
  trusted(name: string): readonly TrustedDigest[];
  /** The entries that accept this digest, whoever wants to know whether a program is trusted at all. */
  namesOf(sha256: string): readonly string[];
  /** All of it. */
  list(): TrustEntries;
}

/**
 * Where the trust file is unless an option says otherwise: `.config/mcp-guard/trust.json` in the home folder of the
 * user database. Neither HOME nor XDG_CONFIG_HOME is asked: whoever starts the guard writes those.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` for a user that has no home folder.
 */
export function defaultTrustFile(): string {
  const home = homeFolder();
  if (home !== undefined) return join(home, ".config", "mcp-guard", "trust.json");
  throw new GuardError(
    "ERR_CONFIG_INVALID",
    "Cannot find the trust file: the user database has no home folder for us; give it with --trust",
  );
}

/**
 * Reads the whole trust file once.
 *
 * @returns What it says; nothing when there is no such file.
 * @throws {GuardError} `ERR_POLICY_UNSAFE` when somebody else could have written it, `ERR_POLICY_INVALID` when it says
 * anything that we do not know for certain, `ERR_CONFIG_INVALID` when it cannot be read.
 */
export function readTrustFile(file: string): TrustEntries {
  let bytes: Uint8Array;
  try {
    bytes = readSafely(file, "trust file");
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw error;
  }
  try {
    return parseTrust(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : "it is not UTF-8";
    throw new GuardError("ERR_POLICY_INVALID", `Cannot use the trust file '${file}': ${reason}`, {
      cause: error,
    });
  }
}

/**
 * Opens the trust file for look-ups, each of which costs one stat(2) while the file stays as it is.
 *
 * @param trouble Told once, each time the file turns from usable to unusable. Until it is usable again it counts as
 * empty.
 */
export function openTrust(file: string, trouble: (error: GuardError) => void): TrustFile {
  const entries = watched(file, trouble);
  return {
    trusted: (name) => entries().get(name) ?? [],
    namesOf(sha256) {
      const all = [...entries()];
      return all.filter(([, digests]) => digests.some((each) => each.sha256 === sha256)).map(([name]) =>
        name
      );
    },
    list: entries,
  };
}

/**
 * A file that changed less than two seconds before it was read may change again without a trace: time stamps are as
 * coarse as a kernel tick, and Deno's as a second.
 */
const SETTLED_MS = 2000;

const NOTHING: TrustEntries = new Map();

function watched(file: string, trouble: (error: GuardError) => void): () => TrustEntries {
  let entries = NOTHING;
  // What the file looked like when it was read; undefined while it has to be read each time.
  let stamp: string | undefined;
  let told = false;
  return () => {
    const now = stampOf(file);
    if (now !== undefined && now.text === stamp) return entries;
    try {
      entries = readTrustFile(file);
      stamp = now?.settled ? now.text : undefined;
      told = false;
    } catch (error) {
      // Not remembered: a folder that is made safe again leaves no trace in the file.
      entries = NOTHING;
      stamp = undefined;
      if (!told) trouble(asGuardError(error));
      told = true;
    }
    return entries;
  };
}

/** Taken before the file is read: a change in between shows the next time. */
function stampOf(file: string): { readonly text: string; readonly settled: boolean } | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = statSync(file, { bigint: true });
    const settled = Date.now() - Number(ctimeMs) > SETTLED_MS;
    return { text: [dev, ino, size, mtimeNs, ctimeNs].join("-"), settled };
  } catch {
    // Missing, or not ours to see: reading it says which.
    return undefined;
  }
}

function asGuardError(error: unknown): GuardError {
  return error instanceof GuardError
    ? error
    : new GuardError("ERR_INTERNAL", `Cannot use the trust file: ${messageOf(error)}`, { cause: error });
}
