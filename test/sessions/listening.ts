/** A guard that listens at a Unix socket, and raw peers that connect to it. */
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
  /** The first socket. */
  readonly path: string;
  readonly paths: readonly string[];
  readonly audit: string;
  readonly exit: Promise<number | null>;
  stderr(): string;
  records(): JsonRpc[];
}

export interface ListenerOptions {
  /** Its text, or what makes it for the folder that is lent. */
  readonly policy?: string | ((folder: string) => string);
  /** Sockets, relative to the folder that is lent. @default {["door/s.sock"]} */
  readonly sockets?: readonly string[];
  /** Further options of `mcp-guard run`, made for that folder. */
  readonly args?: (folder: string) => readonly string[];
  /** The server's command, made for that folder. @default {the puppet, which records into `received`} */
  readonly server?: (folder: string) => readonly string[];
}

/** Lends a guard that listens. It is stopped by SIGTERM and its folder removed, however `use` ends. */
export async function withListener(
  use: (guard: Listening) => Promise<void>,
  { policy, sockets = ["door/s.sock"], args: more = () => [], server = puppet }: ListenerOptions = {},
): Promise<void> {
  await withPlace(async (folder) => {
    const paths = sockets.map((name) => join(folder, name));
    const audit = join(folder, "audit.jsonl");
    const file = join(folder, "policy.yaml");
    if (policy !== undefined) {
      writeFileSync(file, typeof policy === "string" ? policy : policy(folder), { mode: 0o600 });
    }
    const [program, ...args] = [
      ...guardCommand(),
      "run",
      ...(policy === undefined ? [] : ["--policy", file]),
      "--audit",
      audit,
      ...paths.flatMap((path) => ["--listen", `unix:${path}`]),
      ...more(folder),
      "--",
      ...server(folder),
    ];
    const child: ChildProcess = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => void (said += text));
    const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
    try {
      await waitUntil(() => said.split("Listening at").length > paths.length, 20_000);
      await use({
        pid: child.pid!,
        folder,
        path: paths[0]!,
        paths,
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

function puppet(folder: string): readonly string[] {
  return [NODE, fixture("puppet.mjs"), join(folder, "received")];
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
  /** Settles when the connection is over. */
  readonly closed: Promise<void>;
  /** Lines that came so far, without their newlines. */
  readonly lines: readonly string[];
  /** Sends one line: an object as JSON, text as it is. */
  send(message: JsonRpc | string): void;
  receive(matches: (message: JsonRpc) => boolean, ms?: number): Promise<JsonRpc>;
  /** Calls a tool under an id and waits for its answer. */
  call(id: unknown, name: string, args?: JsonRpc, meta?: JsonRpc): Promise<JsonRpc>;
  request(id: unknown, method: string, params?: JsonRpc): Promise<JsonRpc>;
}

/** Connects without a word. */
export async function connectTo(path: string): Promise<Peer> {
  const socket = connect(path);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.on("error", () => {}); // The guard may close first: what tests look at is what came.
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const inbox = openInbox(socket);
  const send: Peer["send"] = (message) =>
    void socket.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`);
  const request: Peer["request"] = (id, method, params) => {
    send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
    return inbox.receive((message) => message["id"] === id && !("method" in message));
  };
  return {
    socket,
    closed,
    lines: inbox.lines,
    send,
    receive: inbox.receive,
    request,
    call: (id, name, args = {}, meta) =>
      request(id, "tools/call", { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }),
  };
}

/** Connects and goes through the legacy handshake. */
export async function open(path: string, opening: JsonRpc = {}): Promise<Peer> {
  const peer = await connectTo(path);
  await peer.request(0, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "x", version: "1" },
    ...opening,
  });
  peer.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  return peer;
}

/** The processes of its servers, where they are puppets. */
export function serversOf(guard: Listening): readonly number[] {
  return descendantsOf(guard.pid).filter((pid) => commandOf(pid).includes("puppet.mjs"));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
