/** The real guard as a process of the runtime that the test runs on: nothing of it is replaced. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { guardCommand } from "./guard-command.ts";
import { type JsonRpc, openInbox } from "./inbox.ts";

export interface GuardOptions {
  /** Further options of `mcp-guard run`, before the `--`. */
  readonly args?: readonly string[];
  /** The server's command. */
  readonly server: readonly string[];
  /** Text of a policy; without one the guard observes. */
  readonly policy?: string;
  /** Added to our own environment; `undefined` removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A running `mcp-guard run`. Messages are JSON-RPC objects, one per line. */
export interface GuardProcess {
  readonly pid: number;
  /** Holds the policy and the audit log; removed at the end. */
  readonly folder: string;
  readonly auditFile: string;
  /** Lines the guard has written so far, without their newlines. */
  readonly lines: readonly string[];
  /** All it has said on stderr so far. */
  readonly stderr: string;
  /** Sends one line: an object as JSON, text and bytes exactly as they are. The newline is added. */
  send(message: JsonRpc | string | Uint8Array): void;
  /** Writes bytes as they are, for half lines. */
  write(bytes: string | Uint8Array): void;
  /** Ends the guard's input. */
  end(): void;
  /** Stops and goes on reading what it writes, to stand for a peer that does not read. */
  pauseReading(): void;
  resumeReading(): void;
  /** The first message that matches and was not received before. Fails after `ms`, saying what came instead. */
  receive(matches: (message: JsonRpc) => boolean, ms?: number): Promise<JsonRpc>;
  /** Sends a request under a new id and waits for its answer. */
  request(method: string, params?: JsonRpc, ms?: number): Promise<JsonRpc>;
  /** The legacy handshake, up to and with `notifications/initialized`. @returns The answer to `initialize`. */
  initialize(params?: JsonRpc): Promise<JsonRpc>;
  /** The audit log's records so far. */
  audit(): JsonRpc[];
  kill(signal: NodeJS.Signals): void;
  readonly exit: Promise<ProcessEnd>;
}

/**
 * Lends a running guard. It is ended and its folder removed however `use` ends: close its input, wait, SIGTERM, wait,
 * SIGKILL. A failure of `use` carries the guard's stderr.
 */
export async function withGuard<T>(
  options: GuardOptions,
  use: (guard: GuardProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "g-"));
  let guard: GuardProcess | undefined;
  try {
    guard = start(options, folder);
    return await use(guard);
  } catch (error) {
    const said = guard?.stderr.trim() ?? "";
    if (error instanceof Error && said !== "") error.message += `\n    guard's stderr: ${said}`;
    throw error;
  } finally {
    if (guard !== undefined) await stop(guard);
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(options: GuardOptions, folder: string): GuardProcess {
  const auditFile = join(folder, "audit.jsonl");
  const policyFile = join(folder, "policy.yaml");
  if (options.policy !== undefined) {
    writeFileSync(policyFile, options.policy, { mode: 0o600 });
  }
  const [program, ...before] = guardCommand();
  const child = spawn(program, [
    ...before,
    "run",
    ...(options.policy === undefined ? [] : ["--policy", policyFile]),
    "--audit",
    auditFile,
    ...options.args ?? [],
    "--",
    ...options.server,
  ], {
    stdio: ["pipe", "pipe", "pipe"],
    cwd: options.cwd ?? folder,
    env: { ...process.env, ...options.env },
  });
  return converse(child, folder, auditFile);
}

function converse(child: ChildProcess, folder: string, auditFile: string): GuardProcess {
  const { stdin, stdout, stderr: errors } = child;
  if (stdin === null || stdout === null || errors === null) {
    throw new Error("The guard has no pipes");
  }
  stdin.on("error", () => {}); // EPIPE once it has gone; `exit` is what tests look at.
  let said = "";
  errors.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const inbox = openInbox(stdout);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exit = new Promise<ProcessEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      // Its last words first; but a server that outlived it may hold the pipe open.
      void Promise.race([closed, delay(1_000, undefined, { ref: false })]).then(
        () => resolve({ code, signal }),
      );
    });
  });
  exit.catch(() => {}); // Told to whoever waits for it, and no one has to.
  let lastId = 0;
  const write = (bytes: string | Uint8Array) => void stdin.write(bytes);
  const send: GuardProcess["send"] = (message) => {
    write(typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message));
    write("\n");
  };
  const receive: GuardProcess["receive"] = (matches, ms) => inbox.receive(matches, ms);
  const request: GuardProcess["request"] = (method, params, ms) => {
    const id = `test-${++lastId}`;
    send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
    return receive((message) => message["id"] === id && !("method" in message), ms);
  };
  return {
    pid: child.pid ?? -1,
    folder,
    auditFile,
    lines: inbox.lines,
    get stderr() {
      return said;
    },
    send,
    write,
    end: () => void stdin.end(),
    pauseReading: () => void stdout.pause(),
    resumeReading: () => void stdout.resume(),
    receive,
    request,
    initialize: async (params) => {
      const answer = await request("initialize", params ?? LEGACY_OPENING);
      send({ jsonrpc: "2.0", method: "notifications/initialized" });
      return answer;
    },
    audit: () => existsSync(auditFile) ? readRecords(auditFile) : [],
    kill: (signal) => void child.kill(signal),
    exit,
  };
}

const LEGACY_OPENING: JsonRpc = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "0" },
};

function readRecords(file: string): JsonRpc[] {
  const text = readFileSync(file, "utf8");
  // The last line may be half written while the guard runs.
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((it) => it !== "").map((it) =>
    JSON.parse(it)
  );
}

async function stop(guard: GuardProcess): Promise<void> {
  const gone = guard.exit.then(() => true, () => true);
  const within = (ms: number) => Promise.race([gone, delay(ms, false, { ref: false })]);
  guard.resumeReading(); // else its output never ends
  guard.end();
  if (await within(3_000)) return;
  guard.kill("SIGTERM");
  if (await within(3_000)) return;
  guard.kill("SIGKILL");
  await gone;
}
