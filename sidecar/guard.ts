/**
 * What one guard is made of, whichever doors it has: policy, audit log, digests, and how its server is launched.
 */
import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import type { AdmissionWorld } from "../policy/clients.ts";
import type { Policy } from "../policy/mod.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { defaultAuditFile } from "./audit/file/safe-path.ts";
import { openAuditLog } from "./audit/open-audit-log.ts";
import type { LoadedPolicy } from "./config/policy-file.ts";
import type { RefusedPeer, SessionPeer } from "./gate/admission/admit.ts";
import { RefusalRecords } from "./gate/admission/refusal-records.ts";
import { Judge } from "./gate/judge.ts";
import { Session } from "./gate/session.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { GuardError, messageOf } from "./model/errors.ts";
import { createDigests, type Digests } from "./platform/digests.ts";
import { openPlatform } from "./platform/open-platform.ts";
import type { Platform } from "./platform/platform.ts";
import { refuseUnsafeStart } from "./platform/self-defence.ts";
import { childEnvironment } from "./upstream/environment.ts";
import { type LaunchDependencies, launchUpstream } from "./upstream/launch.ts";
import type { LaunchedUpstream, LaunchOptions } from "./upstream/launch-options.ts";

/** What one guard is started with: what the command line said, as values. */
export interface GuardOptions {
  /** The server's command; undefined takes the policy's. */
  readonly command: readonly string[] | undefined;
  /** Undefined: everything passes, and is recorded. */
  readonly policyFile: string | undefined;
  /** What `--var` gave: the policy's `$NAME`s beside `$HOME` and `$PROJECT`. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where the log is. @default {the policy's `audit.file`, else a file of the server's name in the user's state folder} */
  readonly auditFile: string | undefined;
  /** The file of accepted digests that `trust:NAME` speaks of. @default {in the user's configuration folder} */
  readonly trustFile: string | undefined;
  /** The server's name in the audit log. @default {the policy's, else the command's} */
  readonly name: string | undefined;
  /** Environment variables of ours that the server is given beside the policy's list. */
  readonly passEnv: readonly string[];
  /** Stands before each line of the server's stderr; without it the server writes to ours directly. */
  readonly stderrPrefix: string | undefined;
  /** Doors in place of our own standard streams, as URLs: `unix:/path.sock`, `unix+http:/path.sock`, `http://127.0.0.1:1`. */
  readonly listen: readonly string[];
  /** Hosts that clients name to a proxy with TLS before the `http:` doors: these then may listen beyond loopback. */
  readonly allowRemote?: readonly string[];
  /** Longest line from a peer, in bytes. @default {8 MiB} */
  readonly maxLine: number | undefined;
  /** The guard's own, for the log's start record. */
  readonly version: string;
  /** Tells the person at the terminal one line. */
  readonly notice: (text: string) => void;
}

/** A guard that is ready to take peers. Nothing was started yet. */
export interface Guard {
  readonly options: GuardOptions;
  /** The server's name: in the log, and of its socket. */
  readonly name: string;
  readonly platform: Platform;
  readonly policy: Policy | undefined;
  readonly log: AuditLog;
  readonly digests: Digests;
  readonly refusals: RefusalRecords;
  /** What admission asks of the world. */
  readonly world: AdmissionWorld;
  /** Starts one more process of the server. */
  launch(): Promise<LaunchedUpstream>;
}

/**
 * Puts a guard together: everything that can be wrong with how it was started is said here.
 *
 * @throws {GuardError} policy, audit log, platform, command line.
 */
export async function assemble(options: GuardOptions): Promise<Guard> {
  refuseUnsafeStart(process.env, process.execArgv);
  const platform = openPlatform();
  platform.hardenSelf();
  const loaded = await loadPolicy(options);
  const policy = loaded?.policy;
  const command = options.command ?? policy?.server.command;
  if (command === undefined || command[0] === undefined) {
    throw new GuardError(
      "ERR_CONFIG_INVALID",
      "Cannot start: no server command, neither after '--' nor in the policy",
    );
  }
  const name = options.name ?? policy?.name ?? basename(command[0]);
  const log = openLog(options, name, loaded);
  const digests = createDigests();
  return {
    options,
    name,
    platform,
    policy,
    log,
    digests,
    refusals: new RefusalRecords(log),
    world: { trusted: await openTrusted(options, policy), via: "direct" },
    launch: () => launchServer(options, command, policy, { platform, digests }),
  };
}

/** The trust file is opened only for a policy that refers to it. */
async function openTrusted(
  { trustFile, notice }: GuardOptions,
  policy: Policy | undefined,
): Promise<AdmissionWorld["trusted"]> {
  if (policy?.clients === undefined || policy.clients.trustNames.length === 0) return () => [];
  const { defaultTrustFile, openTrust } = await import("./config/trust/trust-file.ts");
  const trust = openTrust(trustFile ?? defaultTrustFile(), (error) => notice(error.message));
  return (name) => trust.trusted(name);
}

/**
 * Records that a peer is not let in, and tells the person at the terminal what would change that.
 *
 * @returns The id that the peer may be told; undefined when refusals come so fast that this one is only counted.
 */
export async function tellRefusal(guard: Guard, peer: RefusedPeer): Promise<string | undefined> {
  const refusal = guard.refusals.record(peer);
  if (refusal === undefined) return undefined;
  const { notice } = guard.options;
  notice(`Not admitted [${peer.code}]: ${peer.reasons.join("; ")} (mcp-guard ${refusal})`);
  const clients = guard.policy?.clients;
  if (clients === undefined) return refusal;
  const { trustHint } = await import("./config/trust/trust-hint.ts");
  const hint = trustHint(peer.identity.evidence, clients.trustNames);
  if (hint !== undefined) notice(hint);
  return refusal;
}

/** A session for a peer that was admitted; it runs until either side ends. */
export function openSession(
  { options, policy, log }: Guard,
  peer: SessionPeer,
  launch: () => Promise<LaunchedUpstream>,
): Session {
  const session = new Session({
    id: randomBytes(9).toString("base64url"),
    peer,
    launch,
    judge: new Judge(
      policy,
      (error) => options.notice(`The policy failed on a message: ${messageOf(error)}`),
      peer.client,
    ),
    audit: log,
    limits: { ...DEFAULT_LIMITS, ...(options.maxLine === undefined ? {} : { peerLine: options.maxLine }) },
    notice: options.notice,
  });
  session.start();
  return session;
}

async function loadPolicy(options: GuardOptions): Promise<LoadedPolicy | undefined> {
  if (options.policyFile === undefined) return undefined;
  // The policy language brings YAML: it is loaded only when there is a policy.
  const { loadPolicyFile } = await import("./config/policy-file.ts");
  const loaded = await loadPolicyFile(options.policyFile, { vars: options.variables, cwd: process.cwd() });
  for (const { file, line, column, message } of loaded.problems) {
    options.notice(`${file}:${line}:${column}: ${message}`);
  }
  if (loaded.policy.mode === "observe") {
    options.notice(
      `Policy '${loaded.policy.name}' is in observe mode: what it denies is recorded and passes`,
    );
  }
  return loaded;
}

function openLog(options: GuardOptions, name: string, loaded: LoadedPolicy | undefined): AuditLog {
  const section = loaded?.policy.audit;
  const file = options.auditFile ?? section?.file ?? defaultAuditFile(name);
  const { log, notices } = openAuditLog({
    file,
    durability: section?.durability ?? "buffered",
    mandatory: section?.onFailure !== "continue",
    serverName: name,
    policyName: loaded?.policy.name,
    policyDigest: loaded?.digest,
    version: options.version,
    variables: options.variables,
  });
  for (const text of notices) options.notice(text);
  if (loaded === undefined) options.notice(`No policy: everything passes and is recorded in ${file}`);
  return log;
}

async function launchServer(
  options: GuardOptions,
  command: readonly string[],
  policy: Policy | undefined,
  dependencies: LaunchDependencies,
): Promise<LaunchedUpstream> {
  const upstream = await launchUpstream(launchOptions(options, command, policy), dependencies);
  if (!upstream.watched) {
    options.notice(
      "No /bin/sh: should the guard be killed, the server has only the end of its input to go by",
    );
  }
  return upstream;
}

function launchOptions(
  options: GuardOptions,
  command: readonly string[],
  policy: Policy | undefined,
): LaunchOptions {
  const server = policy?.server;
  const cwd = server?.cwd ?? process.cwd();
  const env = childEnvironment(
    {
      preset: server?.env.preset,
      pass: server?.env.pass,
      set: server?.env.set,
      passEnv: options.passEnv,
    },
    process.env,
    { inheritAll: policy === undefined },
  );
  return {
    command,
    cwd,
    env,
    executableDigests: server?.executableDigests,
    files: server?.files,
    stopGraceMs: server?.stopGraceMs ?? 2000,
    stdio: server?.stdio ?? "socket",
    stderr: { prefix: options.stderrPrefix },
  };
}
