/**
 * The main job on real input: two unmodified servers from npm behind mcp-guard, driven by the official SDK client.
 * Prints what was allowed, refused and hidden, and the audit trail that was written meanwhile.
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const GUARD = join(ROOT, "dist", "mcp-guard.js");
const colour = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined;
const paint = (code: number, text: string): string => colour ? `\x1b[${code}m${text}\x1b[0m` : text;

const folder = mkdtempSync(join(tmpdir(), "mcp-guard-demo-"));
const project = join(folder, "project");
const audit = join(folder, "audit.jsonl");

try {
  layOutProject();
  await demonstrateFiles();
  await demonstrateEverything();
  showTrail();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function layOutProject(): void {
  mkdirSync(join(project, "notes"), { recursive: true });
  writeFileSync(join(project, "notes", "todo.txt"), "1. put a guard in front of it\n");
  writeFileSync(join(project, ".env"), "API_KEY=not-for-agents\n");
  symlinkSync("/etc", join(project, "shortcut"));
}

async function demonstrateFiles(): Promise<void> {
  title("server-filesystem, guarded by examples/policies/files.yaml");
  const server = join(ROOT, "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
  await withGuarded("files.yaml", [server, project], async (client) => {
    await listTools(client);
    await call(client, "read_text_file", { path: join(project, "notes/todo.txt") });
    await call(client, "list_directory", { path: join(project, "notes") });
    await call(client, "read_text_file", { path: `${project}/../../etc/passwd` });
    await call(client, "read_text_file", { path: join(project, "shortcut/passwd") });
    await call(client, "read_text_file", { path: join(project, ".env") });
    await call(client, "read_text_file", { path: join(project, "notes/todo.txt"), paths: ["/etc/passwd"] });
    await call(client, "write_file", {
      path: join(project, "notes/todo.txt"),
      content: "2. forget about it",
    });
  });
}

async function demonstrateEverything(): Promise<void> {
  title("server-everything, guarded by examples/policies/everything.yaml");
  const server = join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
  await withGuarded("everything.yaml", [server, "stdio"], async (client) => {
    await listTools(client);
    await call(client, "echo", { message: "hello" });
    await call(client, "get-sum", { a: 19, b: 23 });
    await call(client, "get-env", {});
    await call(client, "no-such-tool", {});
  });
}

/** Lends an official client that speaks to the server through the guard, as any MCP client would be configured. */
async function withGuarded(
  policy: string,
  server: readonly string[],
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [
      GUARD,
      "run",
      "--policy",
      privateCopy(policy),
      "--audit",
      audit,
      "--",
      process.execPath,
      ...server,
    ],
    cwd: project,
    stderr: "pipe",
  });
  let said = "";
  transport.stderr?.on("data", (chunk: Buffer) => void (said += chunk.toString()));
  const client = new Client({ name: "demo", version: "1.0.0" });
  try {
    await client.connect(transport);
    await use(client);
  } catch (error) {
    process.stderr.write(said);
    throw error;
  } finally {
    await client.close();
  }
}

/** A policy that groups can write, as in a clone made with umask 002, or that is somebody else's, is refused. */
function privateCopy(policy: string): string {
  const copy = join(folder, policy);
  writeFileSync(copy, readFileSync(join(ROOT, "examples/policies", policy)), { mode: 0o600 });
  return copy;
}

async function listTools(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  row("shown", 36, `${tools.length} tools`, tools.map((tool) => tool.name).join(" "));
  const filtered = records().findLast((record) => record.type === "list-filtered");
  row("hidden", 33, `${filtered?.detail?.count ?? 0} tools`, (filtered?.detail?.hidden ?? []).join(" "));
}

interface AuditRecord {
  readonly type: string;
  readonly detail?: { readonly hidden?: readonly string[]; readonly count?: number };
  readonly who?: unknown;
}

function records(): AuditRecord[] {
  return readFileSync(audit, "utf8").trim().split("\n").map((line) => JSON.parse(line) as AuditRecord);
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<void> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content as { text?: string }[];
  const text = (first?.text ?? "").split("\n")[0] ?? "";
  const what = `${name} ${
    Object.values(args).map((value) => JSON.stringify(value).replace(project, "…")).join(" ")
  }`;
  if (result.isError === true) row("refused", 31, what, text);
  else row("allowed", 32, what, text);
}

function showTrail(): void {
  title("the audit trail, as 'mcp-guard audit show' prints it");
  process.stdout.write(guard(["audit", "show", audit]));
  title("the caller, as each of these records names it");
  const caller = records().findLast((record) => record.type === "decision")?.who;
  process.stdout.write(`${JSON.stringify(caller, null, 1).replace(/\n\s*/g, " ")}\n`);
  title("and as 'mcp-guard audit verify' checks it");
  process.stdout.write(guard(["audit", "verify", audit]));
}

function guard(args: readonly string[]): string {
  return execFileSync(process.execPath, [GUARD, ...args], { encoding: "utf8" });
}

function title(text: string): void {
  process.stdout.write(`\n${paint(1, text)}\n`);
}

function row(verdict: string, code: number, what: string, detail: string): void {
  process.stdout.write(`  ${paint(code, verdict.padEnd(8))} ${what}\n             ${paint(2, detail)}\n`);
}
