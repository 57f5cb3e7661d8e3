/** Clients started by node, bun and python spawn the guard: admitted by digest and script, whatever they are called. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, type JsonRpc, limited, withTempDir } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { installed } from "./installed.ts";

const FIXTURES = join(ROOT, "test/external/fixtures");
const ECHO = ["node", join(ROOT, "test/fixtures/servers/echo.mjs")];

interface Runtime {
  readonly name: string;
  readonly binary: string;
  readonly script: string;
  readonly transport: string;
}

function which(program: string): string {
  const run = spawnSync(program, ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  return realpathSync(run.stdout.trim());
}

const RUNTIMES: readonly Runtime[] = [
  {
    name: "node",
    binary: realpathSync(process.execPath),
    script: "sdk-client.mjs",
    transport: "stdio-socket",
  },
  {
    name: "bun",
    binary: installed("@oven/bun-linux-x64/bin/bun"),
    script: "sdk-client.mjs",
    transport: "stdio-socket",
  },
  { name: "python", binary: which("python3"), script: "client.py", transport: "stdio-pipe" },
];

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

interface Run {
  readonly said: {
    readonly result?: JsonRpc;
    readonly error?: { readonly code: number; readonly message: string };
  };
  readonly records: readonly JsonRpc[];
  readonly stderr: string;
}

/** Runs a client, whose guard has a policy that admits exactly this runtime with exactly this script. */
function call(
  folder: string,
  { binary, script }: Runtime,
  as: { binary?: string; script?: string } = {},
): Run {
  const policy = join(folder, "policy.yaml");
  const audit = join(folder, "audit.jsonl");
  writeFileSync(policy, policyFor(binary, join(FIXTURES, script)), { mode: 0o600 });
  const run = spawnSync(as.binary ?? binary, [
    as.script ?? join(FIXTURES, script),
    ...guardCommand(),
    "run",
    "--policy",
    policy,
    "--audit",
    audit,
    "--",
    ...ECHO,
  ], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NODE_OPTIONS: undefined, HOME: folder, TMPDIR: folder },
  });
  const records = existsSync(audit) ? readFileSync(audit, "utf8").trim().split("\n") : [];
  return {
    said: JSON.parse(run.stdout.trim() || "{}"),
    records: records.map((line) => JSON.parse(line) as JsonRpc),
    stderr: run.stderr,
  };
}

function policyFor(binary: string, script: string): string {
  return `
version: 1
name: echo
clients:
  - name: agent
    grade: heuristic
    executable: {sha256: ${sha256(binary)}}
    script: {sha256: ${sha256(script)}}
rules:
  - {name: echo, tools: [echo], clients: [agent], effect: allow}
`;
}

function admitted({ said, records, stderr }: Run, transport: string): void {
  assert.match(JSON.stringify(said.result ?? said), /hello/, stderr);
  const detail = records.find((record) => record["type"] === "session-start")?.["detail"] as JsonRpc;
  assert.equal(
    [detail["client"], detail["admittedAt"], detail["transport"]],
    ["agent", "heuristic", transport],
  );
}

function refused({ said, records, stderr }: Run): void {
  assert.is(said.error?.code, 1004, `${JSON.stringify(said)} ${stderr}`);
  assert.not.match(said.error?.message ?? "", /\/|sha256|[0-9a-f]{16}/, "nothing of it crosses the wire");
  const details = records.filter((it) => it["type"] === "peer-refused").map((it) => it["detail"] as JsonRpc);
  assert.equal(details.map((detail) => detail["code"]), ["ERR_PEER_REFUSED"]);
  assert.not(records.some((it) => it["type"] === "decision"));
}

for (const runtime of RUNTIMES) {
  const it = suite(`a client started by ${runtime.name}`);
  it(
    "is admitted by what it is, at the grade that its script is worth",
    limited(60_000, () => withTempDir((folder) => admitted(call(folder, runtime), runtime.transport))),
  );
  it(
    "is admitted under another name",
    limited(60_000, () =>
      withTempDir((folder) => {
        mkdirSync(join(folder, "names"));
        const binary = join(folder, "names/something-else");
        // python finds its library beside its real file.
        if (runtime.name === "python") symlinkSync(runtime.binary, binary);
        else copyFileSync(runtime.binary, binary);
        admitted(call(folder, runtime, { binary }), runtime.transport);
      })),
  );
  it(
    "is refused when another script has its name",
    limited(60_000, () =>
      withTempDir((folder) => {
        const script = join(folder, runtime.script);
        // One character more makes it another program, which finds the SDK where the real one does.
        writeFileSync(script, `${readFileSync(join(FIXTURES, runtime.script), "utf8")}\n`);
        symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
        refused(call(folder, runtime, { script }));
      })),
  );
  it(
    "is refused when another program has its name",
    limited(60_000, () =>
      withTempDir((folder) => {
        mkdirSync(join(folder, "names"));
        const other = RUNTIMES.find((each) => each.transport === "stdio-socket" && each !== runtime)!;
        const binary = join(folder, "names", runtime.name === "python" ? "python3" : runtime.name);
        copyFileSync(other.binary, binary);
        refused(call(folder, runtime, { binary, script: join(FIXTURES, other.script) }));
      })),
  );
  it.run();
}
