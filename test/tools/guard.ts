/** The real guard as a process of the runtime that the test runs on: nothing of it is replaced. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "./runtimes.ts";

export type JsonRpc = Readonly<Record<string, unknown>>;

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
  receive(
    matches: (message: JsonRpc) => boolean,
    ms?: number,
  ): Promise<JsonRpc>;
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
  const guard = start(options, folder);
  try {
    return await use(guard);
  } catch (error) {
    if (error instanceof Error && guard.stderr !== "") {
      error.message += `\n    guard's stderr: ${guard.stderr.trim()}`;
    }
    throw error;
  } finally {
    await stop(guard);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** How the guard's command line is started on this runtime: the bundle on Node, the source on Deno. */
export function guardCommand(): readonly [string, ...string[]] {
  if ("Deno" in globalThis) {
    return [
      process.execPath,
      "run",
      "-A",
      "--no-remote",
      "--quiet",
      join(ROOT, "wrappers/cli.ts"),
    ];
  }
  const bundle = join(ROOT, "dist/mcp-guard.js");
  refuseStale(bundle);
  return [process.execPath, bundle];
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

function converse(
  child: ChildProcess,
  folder: string,
  auditFile: string,
): GuardProcess {
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
    write(
      typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message),
    );
    write("\n");
  };
  const receive: GuardProcess["receive"] = (matches, ms) => inbox.receive(matches, ms);
  const request: GuardProcess["request"] = (method, params, ms) => {
    const id = `test-${++lastId}`;
    send({
      jsonrpc: "2.0",
      id,
      method,
      ...(params === undefined ? {} : { params }),
    });
    return receive(
      (message) => message["id"] === id && !("method" in message),
      ms,
    );
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

/** Splits what the guard writes into lines, and hands each message out once. */
function openInbox(stdout: NodeJS.ReadableStream) {
  const lines: string[] = [];
  const unread: JsonRpc[] = [];
  let begun: Buffer[] = [];
  let ended = false;
  stdout.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const line = Buffer.concat([...begun, rest.subarray(0, at)]).toString();
      begun = [];
      rest = rest.subarray(at + 1);
      lines.push(line);
      // A line that is no JSON is a defect of the guard, which must fail the test that waits for it.
      unread.push(parse(line));
    }
    begun.push(rest);
  });
  stdout.on("end", () => void (ended = true));
  return {
    lines,
    async receive(
      matches: (message: JsonRpc) => boolean,
      ms = 10_000,
      stderr: () => string,
    ): Promise<JsonRpc> {
      for (const limit = performance.now() + ms;; await delay(2)) {
        const over = ended; // read first: lines that come with the end still count
        const at = unread.findIndex(matches);
        if (at >= 0) return unread.splice(at, 1)[0] as JsonRpc;
        if (!over && performance.now() < limit) continue;
        const came = `unread: ${JSON.stringify(unread)}`;
        throw new Error(
          over ? `The guard ended before it came; ${came}` : `Nothing like it in ${ms} ms; ${came}`,
        );
      }
    },
  };
}

function parse(line: string): JsonRpc {
  try {
    return JSON.parse(line) as JsonRpc;
  } catch {
    return { notJson: line };
  }
}

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

/** A test of yesterday's bundle proves nothing. The runner is started by npm after a build, so it need not look. */
function refuseStale(bundle: string): void {
  if (process.env["MCP_GUARD_TEST_RUN"] !== undefined && existsSync(bundle)) {
    return;
  }
  const built = existsSync(bundle) ? statSync(bundle).mtimeMs : 0;
  for (const folder of ["sidecar", "policy", "wrappers"]) {
    for (
      const name of readdirSync(join(ROOT, folder), {
        recursive: true,
        encoding: "utf8",
      })
    ) {
      if (
        !name.endsWith(".ts") ||
        statSync(join(ROOT, folder, name)).mtimeMs < built
      ) continue;
      throw new Error(
        `dist/ is older than ${folder}/${name}: run 'npm run build'`,
      );
    }
  }
}
