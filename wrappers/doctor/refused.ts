/** Which programs were refused lately, and what would let each of them in. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  auditFolder,
  defaultAuditFile,
  defaultTrustFile,
  loadPolicyFile,
  type LoggedRefusal,
  readRefusedPeers,
  readTrustFile,
  type TrustEntries,
} from "../../sidecar/mod.ts";
import { type Advice, type AdviceWorld, adviseOn } from "./advice.ts";

/** Logs that are looked into, the newest: each costs up to a mebibyte of reading. */
const MAX_LOGS = 8;
/** Programs that are told of, the latest. */
const MAX_PROGRAMS = 10;

/** Which logs are meant. At most one is given; none means those in the state folder. */
export interface RefusedOptions {
  readonly audit: string | undefined;
  readonly name: string | undefined;
  /** Another trust file than the default one. */
  readonly trust: string | undefined;
  readonly policy: { readonly file: string; readonly vars: Readonly<Record<string, string>> } | undefined;
}

/** A log that was looked into. */
export interface SeenLog {
  readonly file: string;
  /** Bytes before those that were read. */
  readonly unread: number;
  /** Why nothing should be done on its word, or null. */
  readonly doubt: string | null;
}

/** The same program, refused for the same code: the latest time, and how often. */
export interface RefusedProgram {
  readonly file: string;
  readonly times: number;
  readonly latest: LoggedRefusal;
  readonly advice: Advice;
}

export interface Refused {
  readonly logs: readonly SeenLog[];
  /** Logs of the state folder that were left out. */
  readonly moreLogs: number;
  /** The latest first. */
  readonly programs: readonly RefusedProgram[];
  readonly morePrograms: number;
}

/**
 * Looks at the ends of the logs; nothing is changed, and no program is hashed.
 *
 * @throws {GuardError} for a policy that cannot be used, or a name that cannot be a log's.
 */
export async function findRefused(options: RefusedOptions): Promise<Refused> {
  const { files, more, names } = await logsMeant(options);
  const { trust, policy } = options;
  const world = { names, entries: trustEntries(trust), trust, policy };
  const logs: SeenLog[] = [];
  const programs: RefusedProgram[] = [];
  for (const file of files) {
    const read = readRefusedPeers(file);
    if (read === undefined) continue;
    logs.push({ file, unread: read.unread, doubt: read.doubt ?? null });
    programs.push(...grouped(file, read.refusals, { ...world, doubt: read.doubt }));
  }
  programs.sort((a, b) => a.latest.time < b.latest.time ? 1 : -1);
  const shown = programs.slice(0, MAX_PROGRAMS);
  return { logs, moreLogs: more, programs: shown, morePrograms: programs.length - shown.length };
}

interface LogsMeant {
  readonly files: readonly string[];
  readonly more: number;
  /** Entries of the trust file that the policy refers to; undefined where no policy was given. */
  readonly names: readonly string[] | undefined;
}

async function logsMeant({ audit, name, policy }: RefusedOptions): Promise<LogsMeant> {
  if (policy !== undefined) {
    const loaded = (await loadPolicyFile(policy.file, { vars: policy.vars, cwd: process.cwd() })).policy;
    const file = audit ?? (name === undefined ? loaded.audit.file : undefined) ??
      defaultAuditFile(name ?? loaded.name);
    return { files: [file], more: 0, names: loaded.clients?.trustNames ?? [] };
  }
  const file = audit ?? (name === undefined ? undefined : defaultAuditFile(name));
  if (file !== undefined) return { files: [file], more: 0, names: undefined };
  const all = logsInStateFolder();
  return { files: all.slice(0, MAX_LOGS), more: Math.max(0, all.length - MAX_LOGS), names: undefined };
}

function logsInStateFolder(): string[] {
  const folder = auditFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name.endsWith(".audit.jsonl"))
    .map((name) => join(folder, name))
    .map((file) => ({ file, time: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.time - a.time)
    .map(({ file }) => file);
}

function trustEntries(file: string | undefined): TrustEntries {
  try {
    return readTrustFile(file ?? defaultTrustFile());
  } catch {
    return new Map(); // Told as a finding, and a guard takes it for empty too.
  }
}

function grouped(file: string, refusals: readonly LoggedRefusal[], world: AdviceWorld): RefusedProgram[] {
  const groups = new Map<string, { times: number; latest: LoggedRefusal }>();
  for (const refusal of refusals) {
    const { code, uid, sha256, scriptSha256, unrecorded } = refusal;
    const key = JSON.stringify([code, uid, sha256, scriptSha256]);
    groups.set(key, { times: (groups.get(key)?.times ?? 0) + 1 + unrecorded, latest: refusal });
  }
  return Array.from(groups.values(), (group) => ({ file, ...group, advice: adviseOn(group.latest, world) }));
}
