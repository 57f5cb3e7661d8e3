/** A guard that listens at a Unix socket, and peers of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { guardCommand, type JsonRpc, waitUntil, withTempDir } from "../harness.ts";
import { openInbox } from "../tools/inbox.ts";
import { descendantsOf } from "./processes.ts";
import { fixture, NODE } from "./puppet.ts";

export interface Listening {
  readonly pid: number;
  readonly folder: string;
  readonly path: string;
  readonly audit: string;
  readonly exit: Promise<number | null>;
  stderr(): string;
  records(): JsonRpc[];
}

/** Lends a guard that listens, with a puppet for each peer. @param policy Its text. */
export async function withListener(
  use: (guard: Listening) => Promise<void>,
  policy?: string,
): Promise<void> {
  await withPlace(async (folder) => {
    const path = join(folder, "door/s.sock");
    const audit = join(folder, "audit.jsonl");
    const file = join(folder, "policy.yaml");
    if (policy !== undefined) writeFileSync(file, policy, { mode: 0o600 });
    const [program, ...args] = [
      ...guardCommand(),
      "run",
      ...(policy === undefined ? [] : ["--policy", file]),
      "--audit",
      audit,
      "--listen",
      `unix:${path}`,
      "--",
      NODE,
      fixture("puppet.mjs"),
      join(folder, "received"),
    ];
    const child: ChildProcess = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => void (said += text));
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
    try {
      await waitUntil(() => said.includes("Listening at"), 20_000);
      await use({
        pid: child.pid!,
        folder,
        path,
        audit,
        exit,
        stderr: () => said,
        records: () =>
          readFileSync(audit, "utf8").trim().split("\n").map((line) => JSON.parse(line) as JsonRpc),
      });
    } finally {
      child.kill("SIGTERM");
      await exit;
    }
  });
}

/** The run's own temp folder is root's alone: another user cannot pass through it. */
async function withPlace(use: (folder: string) => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return await withTempDir(use);
  const folder = mkdtempSync("/tmp/door-");
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Peer {
  readonly socket: Socket;
  request(id: unknown, method: string, params?: JsonRpc): Promise<JsonRpc>;
}

/** Connects, and shakes hands as a legacy client does. */
export async function open(path: string): Promise<Peer> {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const inbox = openInbox(socket);
  const send = (message: JsonRpc) => void socket.write(`${JSON.stringify(message)}\n`);
  const request: Peer["request"] = (id, method, params) => {
    send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
    return inbox.receive((message) => message["id"] === id);
  };
  await request(0, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "x", version: "1" },
  });
  send({ jsonrpc: "2.0", method: "notifications/initialized" });
  return { socket, request };
}

/** The processes of its servers. */
export function serversOf(guard: Listening): readonly number[] {
  return descendantsOf(guard.pid).filter((pid) => commandOf(pid).includes("puppet"));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
