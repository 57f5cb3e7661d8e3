/**
 * Who is called `claude`? A signing server behind a guard that looks for the name, and behind mcp-guard.
 *
 * `npm run build && npx tsx examples/impostor/impostor.ts`
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const GUARD = fileURLToPath(new URL("../../dist/mcp-guard.js", import.meta.url));
const NODE = realpathSync("Deno" in globalThis ? which("node") : process.execPath);

const folder = realpathSync(mkdtempSync(join(tmpdir(), "mcp-guard-impostor-")));
try {
  await tell();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function tell(): Promise<void> {
  const agent = put("agent.mjs", read("agent.mjs"));
  // It does all that the agent does, and is not the agent.
  const impostor = put("impostor.mjs", `${read("agent.mjs")}// Not the agent.\n`);
  const signer = put("signer.mjs", read("signer.mjs"));
  const policy = put("signer.yaml", policyFor(agent));
  // A name is a file name away.
  const [claude, assistant] = ["claude", "assistant"].map(nodeCalled) as [string, string];

  const naive = [NODE, put("naive-guard.mjs", read("naive-guard.mjs")), "claude", NODE, signer];
  const log = ["--audit", join(folder, "audit.jsonl"), "--policy", policy];
  const guarded = [NODE, GUARD, "run", ...log, "--", NODE, signer];
  say("A guard that looks for 'claude' among the processes above it");
  report("the impostor, called 'claude'", claude, impostor, naive);
  report("the agent, called 'assistant'", assistant, agent, naive);

  say("mcp-guard, started by either");
  report("the impostor, called 'claude'", claude, impostor, guarded);
  report("the agent, called 'assistant'", assistant, agent, guarded);

  say("mcp-guard, listening at a Unix socket");
  const socket = join(folder, "signer.sock");
  const listening = await listen([...guarded.slice(0, 3), "--listen", `unix:${socket}`, ...guarded.slice(3)]);
  report("the impostor, called 'claude'", claude, impostor, [`unix:${socket}`]);
  report("the agent, called 'assistant'", assistant, agent, [`unix:${socket}`]);
  listening.kill("SIGTERM");
  await new Promise((resolve) => listening.once("exit", resolve));

  say("What the audit log knows of the two that were refused");
  showRefused(join(folder, "audit.jsonl"));
}

/** Node is an interpreter: which script it runs is its own word. Of a native agent its digest would do, at `measured`. */
function policyFor(agent: string): string {
  return `version: 1
name: signer
clients:
  - name: agent
    grade: heuristic
    executable: {sha256: ${digestOf(NODE)}}
    script: {sha256: ${digestOf(agent)}}
rules:
  - {name: sign, tools: [sign], effect: allow}
`;
}

function report(who: string, program: string, script: string, server: readonly string[]): void {
  const { stdout } = spawnSync(program, [script, ...server], { encoding: "utf8", timeout: 30_000 });
  print(`  ${who.padEnd(32)} ${stdout.trim()}`);
}

async function listen([program = "", ...args]: readonly string[]): Promise<ChildProcess> {
  const guard = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  await new Promise<void>((resolve, reject) => {
    guard.stderr!.on("data", (text: Buffer) => text.includes("Listening") && resolve());
    guard.once("exit", (code) => reject(new Error(`The guard ended with ${code}`)));
  });
  return guard;
}

function showRefused(audit: string): void {
  const records = readFileSync(audit, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  for (const { type, who, detail } of records) {
    if (type !== "peer-refused") continue;
    const { path, sha256 } = who.executable;
    print(`  pid ${who.pid} (${who.transport}): ${detail.reasons.join("; ")}`);
    print(`    it ran ${path}, sha256 ${sha256.slice(0, 16)}…`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function say(text: string): void {
  print(`\n${text}`);
}

function read(name: string): string {
  return readFileSync(join(HERE, name), "utf8");
}

function put(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function nodeCalled(name: string): string {
  const path = join(folder, name);
  copyFileSync(NODE, path);
  chmodSync(path, 0o755);
  return path;
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function which(program: string): string {
  return spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
}
