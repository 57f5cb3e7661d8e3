/** The policy that counts for whoever comes now: loaded at the start, and once more whenever the guard is told to. */
import type { AdmissionWorld } from "../policy/clients.ts";
import type { Policy } from "../policy/mod.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { LoadedPolicy } from "./config/policy-file.ts";
import { GuardError, messageOf } from "./model/errors.ts";

/** Where it comes from: the part of the guard's options that says so. */
export interface PolicySource {
  /** Undefined: everything passes, and is recorded. */
  readonly policyFile: string | undefined;
  /** What `--var` gave: the policy's `$NAME`s beside `$HOME` and `$PROJECT`. */
  readonly variables: Readonly<Record<string, string>>;
  /** The file of accepted digests that `trust:NAME` speaks of. @default {in the user's configuration folder} */
  readonly trustFile: string | undefined;
  /** Lets a policy that only observes hand secrets to the server all the same. */
  readonly observeWithSecrets: boolean;
  /** Tells the person at the terminal one line. */
  readonly notice: (text: string) => void;
}

/** What became of loading it once more. */
export type Reloaded =
  | { readonly policy: Policy; readonly digest: string; readonly same: boolean }
  | { readonly refused: string };

interface InForce {
  readonly loaded: LoadedPolicy | undefined;
  readonly world: AdmissionWorld;
}

export class PolicyInForce {
  readonly #options: PolicySource;
  #now: InForce;

  /** @throws {GuardError} When it cannot be read, may not be trusted or has errors. */
  static async load(options: PolicySource): Promise<PolicyInForce> {
    return new PolicyInForce(options, await load(options));
  }

  private constructor(options: PolicySource, now: InForce) {
    this.#options = options;
    this.#now = now;
  }

  /** Undefined: there is no policy file. */
  get policy(): Policy | undefined {
    return this.#now.loaded?.policy;
  }

  /** sha256 of its file. */
  get digest(): string | undefined {
    return this.#now.loaded?.digest;
  }

  get world(): AdmissionWorld {
    return this.#now.world;
  }

  /**
   * Loads the file once more, and records it. Never rejects: with a policy that may not be used the one before goes on to
   * count, and the person at the terminal is told why. Not for two at a time: the older text could come last.
   */
  async reload(log: AuditLog): Promise<Reloaded> {
    const { notice } = this.#options;
    const before = this.digest;
    try {
      const now = await load(this.#options);
      const { loaded } = now;
      if (loaded === undefined) throw new GuardError("ERR_CONFIG_INVALID", "There is no policy file to load");
      this.#now = now;
      log.adoptPolicy(loaded.digest);
      record(log, { name: loaded.policy.name, before });
      const same = loaded.digest === before;
      notice(`Policy '${loaded.policy.name}' is loaded: ${same ? "the same" : loaded.digest}`);
      return { policy: loaded.policy, digest: loaded.digest, same };
    } catch (error) {
      notice(`The policy is not loaded, and what counted goes on to count: ${messageOf(error)}`);
      return { refused: messageOf(error) };
    }
  }
}

/** With a log that cannot be written nothing passes, by whichever policy; so the newer one may count already. */
function record(log: AuditLog, detail: Readonly<Record<string, unknown>>): void {
  try {
    log.append({ type: "policy-loaded", detail });
    log.flush();
  } catch {
    // Counted by the log, and said by it with the next record that can be written.
  }
}

async function load(options: PolicySource): Promise<InForce> {
  const loaded = await loadPolicy(options);
  return { loaded, world: { trusted: await openTrusted(options, loaded?.policy), via: "direct" } };
}

async function loadPolicy(options: PolicySource): Promise<LoadedPolicy | undefined> {
  if (options.policyFile === undefined) return undefined;
  // The policy language brings YAML: it is loaded only when there is a policy.
  const { loadPolicyFile } = await import("./config/policy-file.ts");
  const loaded = await loadPolicyFile(options.policyFile, { vars: options.variables, cwd: process.cwd() });
  for (const { file, line, column, message } of loaded.problems) {
    options.notice(`${file}:${line}:${column}: ${message}`);
  }
  if (loaded.policy.mode === "observe") {
    refuseSecrets(loaded.policy, options);
    options.notice(
      `Policy '${loaded.policy.name}' is in observe mode: what it denies is recorded and passes`,
    );
  }
  return loaded;
}

/** A server that holds secrets, and does whatever it is asked, lends them to everybody. */
function refuseSecrets({ name, server }: Policy, { observeWithSecrets }: PolicySource): void {
  if (observeWithSecrets || Object.keys(server.env.secrets).length === 0) return;
  throw new GuardError(
    "ERR_CONFIG_INVALID",
    `Policy '${name}' observes only, and gives the server secrets: say 'mode: enforce', or pass --observe-with-secrets`,
  );
}

/** The trust file is opened only for a policy that refers to it. */
async function openTrusted(
  { trustFile, notice }: PolicySource,
  policy: Policy | undefined,
): Promise<AdmissionWorld["trusted"]> {
  if (policy?.clients === undefined || policy.clients.trustNames.length === 0) return () => [];
  const { defaultTrustFile, openTrust } = await import("./config/trust/trust-file.ts");
  const trust = openTrust(trustFile ?? defaultTrustFile(), (error) => notice(error.message));
  return (name) => trust.trusted(name);
}
