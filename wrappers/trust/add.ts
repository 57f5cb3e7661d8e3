import {
  changeTrustFile,
  type Clients,
  createDigests,
  defaultTrustFile,
  type Digests,
  loadPolicyFile,
  MAX_NOTE,
  openControllingTerminal,
  type ProcessEvidence,
  readTrustFile,
  type TrustEntries,
  type TrustRecord,
  visible,
} from "../../sidecar/mod.ts";
import { parseArguments, UsageError } from "../arguments.ts";
import type { Terminal } from "../command.ts";
import { type Candidate, measureFile, measureRunning } from "./candidate.ts";
import { parseVariables } from "../variables.ts";
import { describe, isSame, meaningOfCandidate, refusalOfKind } from "./describe.ts";
import { checkName } from "./names.ts";
import { findAncestors, refusalOf } from "./who-asks.ts";

const OPTIONS = {
  path: { type: "string" },
  pid: { type: "string" },
  sha256: { type: "string" },
  tested: { type: "boolean", default: false },
  note: { type: "string" },
  policy: { type: "string" },
  var: { type: "string", multiple: true },
  trust: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

interface Request {
  readonly name: string;
  readonly path: string | undefined;
  readonly pid: string | undefined;
  /** What was seen before: a path, and the number of a process, may mean another program by now. */
  readonly sha256: string | undefined;
  readonly tested: boolean;
  readonly note: string | undefined;
  readonly file: string;
  /** A policy whose clients may trust nothing either. */
  readonly policy: { readonly file: string; readonly vars: Readonly<Record<string, string>> } | undefined;
}

/**
 * `mcp-guard trust add`: measures, looks who asks, asks the person at the terminal, and only then writes.
 *
 * There is no way around the question: an option for it would be the first thing that an agent tries.
 */
export async function add(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArguments("mcp-guard trust add", args, OPTIONS, { min: 1, max: 1 });
  const request = check({ ...values, name: positionals[0]! });
  const digests = createDigests();
  try {
    const outcome = await decide(request, digests);
    if ("refused" in outcome) {
      terminal.err(`mcp-guard: Cannot trust this as '${request.name}': ${outcome.refused}\n`);
      return 1;
    }
    const { record } = outcome;
    if (values.json) {
      terminal.out(`${JSON.stringify({ file: request.file, name: request.name, added: record })}\n`);
    } else terminal.out(`Trusted as ${request.name}: ${record.sha256}\n`);
    return 0;
  } finally {
    digests.close();
  }
}

type Outcome = { readonly record: TrustRecord } | { readonly refused: string };

function check(
  { name, path, pid, sha256, tested, note, policy, var: variables, trust }: {
    readonly name: string;
    readonly path?: string | undefined;
    readonly pid?: string | undefined;
    readonly sha256?: string | undefined;
    readonly tested: boolean;
    readonly note?: string | undefined;
    readonly policy?: string | undefined;
    readonly var?: readonly string[] | undefined;
    readonly trust?: string | undefined;
  },
): Request {
  const help = "see 'mcp-guard trust --help'";
  if ((path === undefined) === (pid === undefined)) {
    throw new UsageError(`'mcp-guard trust add' takes either --path or --pid; ${help}`);
  }
  if (pid !== undefined && !/^[1-9]\d{0,9}$/.test(pid)) {
    throw new UsageError(`'--pid' takes the number of a process, not '${pid}'; ${help}`);
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new UsageError(`'--sha256' takes 64 hex digits; ${help}`);
  }
  if (note !== undefined && (note.length > MAX_NOTE || /[\p{C}\p{Zl}\p{Zp}]/u.test(note))) {
    throw new UsageError(`'--note' takes up to ${MAX_NOTE} visible characters; ${help}`);
  }
  const vars = parseVariables(variables ?? []);
  return {
    name: checkName(name),
    path,
    pid,
    sha256: sha256?.toLowerCase(),
    tested,
    note,
    file: trust ?? defaultTrustFile(),
    policy: policy === undefined ? undefined : { file: policy, vars },
  };
}

async function decide(request: Request, digests: Digests): Promise<Outcome> {
  const { file, name, tested } = request;
  const entries = readTrustFile(file);
  const ancestors = await findAncestors(digests);
  if (typeof ancestors === "string") return { refused: ancestors };
  const because = refusalOf(ancestors, entries, await clientsOf(request));
  if (because !== undefined) return { refused: because };
  const candidate = await measure(request, digests);
  if (request.sha256 !== undefined && candidate.sha256 !== request.sha256) {
    return { refused: `its sha256 is ${candidate.sha256}, not the one that was asked for` };
  }
  const unfit = refusalOfKind(candidate, request.pid);
  if (unfit !== undefined) return { refused: unfit };
  if (tested && meaningOfCandidate(candidate).meaning !== "compiled") {
    throw new UsageError(
      `'--tested' says that a runtime with one program inside runs no other code; this is '${candidate.kind}'`,
    );
  }
  const there = entries.get(name)?.find((each) => isSame(each, candidate, tested));
  if (there !== undefined) return { record: there };
  if (!confirm(request, describe(candidate, tested, remarks(candidate, ancestors, entries)))) {
    return { refused: "it was not confirmed; nothing was changed" };
  }
  const record = recordOf(candidate, request);
  await changeTrustFile(file, (now) => withRecord(now, name, record));
  return { record };
}

async function clientsOf({ policy }: Request): Promise<Clients | undefined> {
  if (policy === undefined) return undefined;
  return (await loadPolicyFile(policy.file, { vars: policy.vars, cwd: process.cwd() })).policy.clients;
}

function measure({ path, pid }: Request, digests: Digests): Promise<Candidate> {
  return path === undefined ? measureRunning(Number(pid), digests) : measureFile(path, digests);
}

function remarks(
  { sha256 }: Candidate,
  ancestors: readonly ProcessEvidence[],
  entries: TrustEntries,
): string[] {
  const starter = ancestors.find(({ executable }) =>
    "value" in executable.sha256 && executable.sha256.value === sha256
  );
  const names = [...entries].filter(([, records]) => records.some((each) => each.sha256 === sha256));
  return [
    ...(starter === undefined ? [] : [`It started this command (process ${starter.pid})`]),
    ...(names.length === 0 ? [] : [`It is trusted already as ${names.map(([name]) => name).join(", ")}`]),
  ];
}

function confirm({ name, file }: Request, description: string): boolean {
  const person = openControllingTerminal();
  try {
    person.write(`To be trusted, in ${visible(file)}:\n${description}`);
    const answer = person.ask(`Trust this as ${name}? [y/N] `);
    return answer !== undefined && /^\s*(y|yes)\s*$/i.test(answer);
  } finally {
    person.close();
  }
}

function recordOf(candidate: Candidate, { tested, note }: Request): TrustRecord {
  const { sha256, path, kind, by } = candidate;
  return {
    sha256,
    ...("absent" in path ? {} : { path: path.value }),
    kind,
    added: new Date().toISOString(),
    by,
    tested,
    ...(note === undefined ? {} : { note }),
  };
}

/** Added to what the file says now; the same digest accepted differently before gives way. */
function withRecord(entries: TrustEntries, name: string, record: TrustRecord): TrustEntries {
  const others = (entries.get(name) ?? []).filter(({ sha256 }) => sha256 !== record.sha256);
  return new Map([...entries, [name, [...others, record]]]);
}
