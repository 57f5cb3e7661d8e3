/**
 * The composition root: the only file that joins the parts.
 */
import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import type { Policy } from "../policy/mod.ts";
import type { Attestation } from "./attest/attest.ts";
import { attestStdio } from "./attest/attest-stdio.ts";
import { principalOf } from "./attest/principal.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { defaultAuditFile } from "./audit/file/safe-path.ts";
import { openAuditLog } from "./audit/open-audit-log.ts";
import type { LoadedPolicy } from "./config/policy-file.ts";
import { openOwnStdio } from "./front/stdio.ts";
import { Judge } from "./gate/judge.ts";
import { Session } from "./gate/session.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { GuardError, messageOf } from "./model/errors.ts";
import { createDigests } from "./platform/digests.ts";
import { openPlatform } from "./platform/open-platform.ts";
import { refuseUnsafeStart } from "./platform/self-defence.ts";
import { childEnvironment } from "./upstream/environment.ts";
import { exitCodeOf } from "./upstream/exit.ts";
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
  /** The server's name in the audit log. @default {the policy's, else the command's} */
  readonly name: string | undefined;
  /** Environment variables of ours that the server is given beside the policy's list. */
  readonly passEnv: readonly string[];
  /** Stands before each line of the server's stderr; without it the server writes to ours directly. */
  readonly stderrPrefix: string | undefined;
  /** Longest line from a peer, in bytes. @default {8 MiB} */
  readonly maxLine: number | undefined;
  /** The guard's own, for the log's start record. */
  readonly version: string;
  /** Tells the person at the terminal one line. */
  readonly notice: (text: string) => void;
}

/** The shell's code for a command that cannot be started (POSIX XCU 2.8.2). */
const CANNOT_START = 127;
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Signals that ask us to stop, also those that come before there is anything to stop. */
class StopSignals {
  #pending = 0;
  #stop: (() => void) | undefined;

  constructor() {
    for (const signal of STOP_SIGNALS) process.on(signal, () => this.#heard());
  }

  tell(stop: () => void): void {
    this.#stop = stop;
    for (; this.#pending > 0; this.#pending--) stop();
  }

  #heard(): void {
    if (this.#stop === undefined) this.#pending++;
    else this.#stop();
  }
}

/**
 * Guards one stdio server for whoever spawned us, until either ends.
 *
 * @returns The exit code to hand on: the server's own, 128 + n after signal n, 127 when it could not be started.
 * @throws {GuardError} When the guard itself cannot start: policy, audit log, platform. Nothing was started then.
 */
export async function guardStdio(options: GuardOptions): Promise<number> {
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
  const launch = (): Promise<LaunchedUpstream> =>
    launchServer(options, command, policy, { platform, digests });
  // The server starts while we look at who started us.
  // Heard from before the first process on: a signal's default would end us and leave the server behind.
  const signals = new StopSignals();
  let early: Promise<LaunchedUpstream> | undefined = launch();
  // Whatever becomes of it is heard by the session; between here and there nobody listens.
  early.catch(() => {});
  let attestation: Attestation;
  try {
    attestation = attestStdio(platform, { inputFd: 0, outputFd: 1, digests });
  } catch (error) {
    await early.then((upstream) => upstream.stop("internal"), () => {});
    throw error;
  }

  const session = new Session({
    id: randomBytes(9).toString("base64url"),
    peer: openOwnStdio(platform),
    attestation,
    principalOf: (evidence) => principalOf(evidence, policy?.trustDomain ?? "localhost"),
    launch: () => {
      const first = early;
      early = undefined;
      return first ?? launch();
    },
    judge: new Judge(
      policy,
      (error) => options.notice(`The policy failed on a message: ${messageOf(error)}`),
    ),
    audit: log,
    limits: { ...DEFAULT_LIMITS, ...(options.maxLine === undefined ? {} : { peerLine: options.maxLine }) },
    notice: options.notice,
  });
  session.start();
  signals.tell(() => session.stop("signal"));

  const { exit, error } = await session.ended;
  digests.close();
  log.close(error?.code ?? exit?.cause ?? "server-exit");
  if (error !== undefined) options.notice(error.message);
  return exit === undefined ? CANNOT_START : exitCodeOf(exit);
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
