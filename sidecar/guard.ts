/**
 * What one guard is made of, whichever doors it has: policy, audit log, digests, and how its server is launched.
 */
import { basename } from "node:path";
import type { AdmissionWorld } from "../policy/clients.ts";
import type { Policy } from "../policy/mod.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { type AuditCounts, CountedLog } from "./audit/counted-log.ts";
import { defaultAuditFile } from "./audit/file/safe-path.ts";
import { openAuditLog } from "./audit/open-audit-log.ts";
import { controlPath } from "./front/control/control-path.ts";
import type { RefusedPeer, SessionPeer } from "./gate/admission/admit.ts";
import { RefusalRecords } from "./gate/admission/refusal-records.ts";
import { Judge } from "./gate/judge.ts";
import { Session, type SessionEnd } from "./gate/session.ts";
import { newSessionId } from "./gate/session-id.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { GuardError, messageOf } from "./model/errors.ts";
import { createDigests, type Digests } from "./platform/digests.ts";
import { openPlatform } from "./platform/open-platform.ts";
import type { Platform } from "./platform/platform.ts";
import { refuseUnsafeStart } from "./platform/self-defence.ts";
import { GuardTokens, type GuardTokensOptions } from "./guard-tokens.ts";
import { OpenSessions } from "./open-sessions.ts";
import { PolicyInForce, type PolicySource, type Reloaded } from "./policy-in-force.ts";
import { childEnvironment } from "./upstream/environment.ts";
import { exitCodeOf } from "./upstream/exit.ts";
import { type LaunchDependencies, launchUpstream } from "./upstream/launch.ts";
import type { LaunchedUpstream, LaunchOptions } from "./upstream/launch-options.ts";

/** What one guard is started with: what the command line said, as values. */
export interface GuardOptions extends PolicySource {
  /** The server's command; undefined takes the policy's. */
  readonly command: readonly string[] | undefined;
  /** Where the log is. @default {the policy's `audit.file`, else a file of the server's name in the user's state folder} */
  readonly auditFile: string | undefined;
  /** The server's name in the audit log. @default {the policy's, else the command's} */
  readonly name: string | undefined;
  /** Environment variables of ours that the server is given beside the policy's list. */
  readonly passEnv: readonly string[];
  /** Stands before each line of the server's stderr; without it the server writes to ours directly. */
  readonly stderrPrefix: string | undefined;
  /** Lets a policy that only observes hand secrets to the server all the same. */
  readonly observeWithSecrets: boolean;
  /** Doors in place of our own standard streams, as URLs: `unix:/path.sock`, `unix+http:/path.sock`, `http://127.0.0.1:1`. */
  readonly listen: readonly string[];
  /** The control socket's path; false: none. @default {one of the server's name in the runtime folder} */
  readonly control?: string | false | undefined;
  /** Hosts that clients name to a proxy with TLS before the `http:` doors: these then may listen beyond loopback. */
  readonly allowRemote?: readonly string[];
  /** Longest line from a peer, in bytes. @default {8 MiB} */
  readonly maxLine: number | undefined;
  /** The guard's own, for the log's start record. */
  readonly version: string;
}

/** A guard that is ready to take peers. Nothing was started yet. */
export interface Guard {
  readonly options: GuardOptions;
  /** The server's name: in the log, and of its socket. */
  readonly name: string;
  readonly platform: Platform;
  /** The one that counts for whoever comes now. */
  readonly policy: Policy | undefined;
  /** sha256 of its file. */
  readonly policyDigest: string | undefined;
  readonly log: AuditLog;
  readonly auditFile: string;
  /** What went into the log. */
  readonly counts: AuditCounts;
  readonly digests: Digests;
  readonly refusals: RefusalRecords;
  /** Undefined: the policy speaks neither of tokens nor of the one-time secret. */
  readonly tokens: GuardTokens | undefined;
  /** What admission asks of the world. */
  readonly world: AdmissionWorld;
  /** Starts one more process of the server. */
  launch(): Promise<LaunchedUpstream>;
  /** Of the control socket; undefined: none is to be opened, or there is no safe place. */
  readonly controlPath: string | undefined;
  readonly open: OpenSessions;
  /** Loads the policy's file once more: for whoever comes, and, where it is stricter, for whoever is here. */
  reload(): Promise<Reloaded>;
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
  const inForce = await PolicyInForce.load(options);
  const { policy } = inForce;
  const command = options.command ?? policy?.server.command;
  if (command === undefined || command[0] === undefined) {
    throw new GuardError(
      "ERR_CONFIG_INVALID",
      "Cannot start: no server command, neither after '--' nor in the policy",
    );
  }
  // What cannot be read is said before anybody is let in.
  await readSecrets(policy);
  const name = options.name ?? policy?.name ?? basename(command[0]);
  const auditFile = options.auditFile ?? policy?.audit.file ?? defaultAuditFile(name);
  const log = new CountedLog(openLog(options, name, inForce, auditFile));
  const digests = createDigests();
  const control = options.control === undefined ? controlPath(name) : options.control || undefined;
  const parts = { platform, digests };
  const open = new OpenSessions();
  const tokens = await openTokens(inForce, { name, platform, notice: options.notice });
  return {
    options,
    name,
    platform,
    get policy() {
      return inForce.policy;
    },
    get policyDigest() {
      return inForce.digest;
    },
    log,
    auditFile,
    counts: log.counts,
    digests,
    refusals: new RefusalRecords(log),
    tokens,
    get world() {
      return inForce.world;
    },
    launch: () =>
      launchServer(
        options,
        options.command ?? inForce.policy?.server.command ?? command,
        { policy: inForce.policy, leftOnKill: control },
        parts,
      ),
    controlPath: control,
    open,
    reload: oneAtATime(async () => {
      const reloaded = await inForce.reload(log);
      if ("refused" in reloaded) return reloaded;
      tokens?.adopt(reloaded.policy.tokens, reloaded.digest);
      await open.adopt(reloaded.policy, inForce.world);
      return reloaded;
    }),
  };
}

/** Signals and the control socket may ask together: what was read first must not come last. */
function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
}

async function openTokens(
  { policy, digest }: PolicyInForce,
  options: Pick<GuardTokensOptions, "name" | "platform" | "notice">,
): Promise<GuardTokens | undefined> {
  if (policy === undefined) return undefined;
  const { tokens: section, trustDomain } = policy;
  return await GuardTokens.open({ ...options, section, trustDomain, policyDigest: digest ?? "" });
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
  { options, policy, log, tokens, open }: Guard,
  peer: SessionPeer,
  launch: () => Promise<LaunchedUpstream>,
): Session {
  const id = peer.sid ?? newSessionId();
  const session = new Session({
    id,
    peer,
    launch,
    judge: new Judge(
      policy,
      (error) => options.notice(`The policy failed on a message: ${messageOf(error)}`),
      peer.client,
    ),
    audit: log,
    limits: { ...DEFAULT_LIMITS, ...(options.maxLine === undefined ? {} : { peerLine: options.maxLine }) },
    terms: policy?.session,
    access: tokens?.terms,
    notice: options.notice,
  });
  tokens?.add(id, session, peer.grant?.id);
  open.add(id, session, peer);
  session.start();
  return session;
}

/** The shell's code for a command that cannot be started (POSIX XCU 2.8.2). */
const CANNOT_START = 127;

/** What a session's end is to whoever started us: the server's own code, 128 + n after signal n. */
export function exitCode({ exit }: SessionEnd): number {
  return exit === undefined ? CANNOT_START : exitCodeOf(exit);
}

function openLog(
  options: GuardOptions,
  name: string,
  { policy, digest }: PolicyInForce,
  file: string,
): AuditLog {
  const section = policy?.audit;
  const { log, notices } = openAuditLog({
    file,
    durability: section?.durability ?? "buffered",
    mandatory: section?.onFailure !== "continue",
    serverName: name,
    policyName: policy?.name,
    policyDigest: digest,
    version: options.version,
    variables: options.variables,
  });
  for (const text of notices) options.notice(text);
  if (policy === undefined) options.notice(`No policy: everything passes and is recorded in ${file}`);
  return log;
}

async function launchServer(
  options: GuardOptions,
  command: readonly string[],
  { policy, leftOnKill }: { readonly policy: Policy | undefined; readonly leftOnKill: string | undefined },
  dependencies: LaunchDependencies,
): Promise<LaunchedUpstream> {
  const upstream = await launchUpstream(
    { ...launchOptions(options, command, policy, await readSecrets(policy)), leftOnKill },
    dependencies,
  );
  if (!upstream.watched) {
    options.notice(
      "No /bin/sh: should the guard be killed, the server has only the end of its input to go by",
    );
  }
  return upstream;
}

/** Anew for each process of the server, so that a secret can be exchanged while the guard runs. */
async function readSecrets(policy: Policy | undefined): Promise<Readonly<Record<string, string>>> {
  const files = policy?.server.env.secrets ?? {};
  if (Object.keys(files).length === 0) return {};
  const { readSecretFiles } = await import("./config/secret-files.ts");
  return readSecretFiles(files);
}

function launchOptions(
  options: GuardOptions,
  command: readonly string[],
  policy: Policy | undefined,
  secrets: Readonly<Record<string, string>>,
): LaunchOptions {
  const server = policy?.server;
  const cwd = server?.cwd ?? process.cwd();
  const env = childEnvironment(
    {
      preset: server?.env.preset,
      pass: server?.env.pass,
      set: { ...server?.env.set, ...secrets },
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
