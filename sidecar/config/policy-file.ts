/** From a path to a policy that may be used. */
import { createHash } from "node:crypto";
import {
  loadPolicy,
  type LoadResult,
  type Policy,
  type PolicyContext,
  type Problem,
} from "../../policy/mod.ts";
import { GuardError } from "../model/errors.ts";
import { accountId } from "../platform/accounts.ts";
import { realPath } from "./real-path.ts";
import { readSafely } from "./safe-file.ts";
import { readVariables } from "./variables.ts";

/** Where a policy's variables and relative paths come from; never the environment. */
export interface PolicyFileOptions {
  /** What `--var NAME=VALUE` gave. */
  readonly vars: Readonly<Record<string, string>>;
  /** The folder we were started in. */
  readonly cwd: string;
}

/** A policy to be enforced, and what it was made of. */
export interface LoadedPolicy {
  /** Valid, and not expired when it was loaded. */
  readonly policy: Policy;
  /** sha256 of the file's exact bytes, lower-case hex. */
  readonly digest: string;
  /** The path as it was given. */
  readonly file: string;
  /** Warnings. */
  readonly problems: readonly Problem[];
}

/** What there is to say of a policy file that could be read, errors included. */
export interface ExaminedPolicy {
  /** The policy, or what keeps it from being one. */
  readonly result: LoadResult;
  /** sha256 of the file's exact bytes, lower-case hex. */
  readonly digest: string;
  /** The path as it was given. */
  readonly file: string;
  /** It is a policy, and its `expires` has passed: `run` would refuse it. */
  readonly expired: boolean;
}

/**
 * Reads and checks a policy file, for those who want to see what is wrong with it.
 *
 * @throws {GuardError} `ERR_POLICY_UNSAFE` when somebody else could have written it, `ERR_CONFIG_INVALID` when it
 * cannot be read. What is wrong inside the file is in the result.
 */
export async function examinePolicyFile(file: string, options: PolicyFileOptions): Promise<ExaminedPolicy> {
  // Loaded only where somebody asks what is wrong with a policy: `run` has no time to look for programs.
  const { openKnownPrograms } = await import("./known-programs.ts");
  return await examine(file, options, { describeDigest: openKnownPrograms(process.env["PATH"]) });
}

async function examine(
  file: string,
  options: PolicyFileOptions,
  more: Pick<PolicyContext, "describeDigest">,
): Promise<ExaminedPolicy> {
  const bytes = readSafely(file);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const variables = readVariables(options.vars, options.cwd);
  const cwd = realPath(options.cwd) ?? options.cwd;
  const text = decode(bytes);
  const result = text === undefined
    ? notText(file)
    : await loadPolicy(text, file, { variables, cwd, realPath, accountId, ...ownUid(), ...more });
  const expires = result.policy?.expires;
  return { result, digest, file, expired: expires !== undefined && Date.now() >= expires };
}

/**
 * Loads a policy file to be enforced. It is read once, and what was checked is what is used.
 *
 * @throws {GuardError} `ERR_POLICY_UNSAFE`, `ERR_POLICY_INVALID` (the message lists every problem),
 * `ERR_POLICY_EXPIRED`, or `ERR_CONFIG_INVALID` when it cannot be read.
 */
export async function loadPolicyFile(file: string, options: PolicyFileOptions): Promise<LoadedPolicy> {
  const { result, digest, expired } = await examine(file, options, {});
  const { policy, problems } = result;
  if (policy === undefined) {
    const list = problems.map((problem) => `\n  ${formatProblem(problem)}`).join("");
    throw new GuardError("ERR_POLICY_INVALID", `Cannot use the policy '${file}':${list}`);
  }
  if (expired) {
    const when = new Date(policy.expires!).toISOString();
    throw new GuardError("ERR_POLICY_EXPIRED", `Cannot use the policy '${file}': it expired at ${when}`);
  }
  return { policy, digest, file, problems };
}

/** `file:line:column: message (hint)`, which editors and terminals make a link of. */
export function formatProblem({ file, line, column, message, hint }: Problem): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}

/** What `uid: self` means; absent where the system knows no uids. */
function ownUid(): Pick<PolicyContext, "ownUid"> {
  const uid = process.geteuid?.();
  return uid === undefined ? {} : { ownUid: uid };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // Told as a problem of the file.
  }
}

function notText(file: string): LoadResult {
  const problem: Problem = { severity: "error", file, line: 1, column: 1, message: "The file is not UTF-8" };
  return { policy: undefined, problems: [problem] };
}
