/** A real guard that listens for HTTP, and ways to talk to it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { guardCommand, type JsonRpc, waitUntil } from "../harness.ts";

export interface Listening {
  readonly pid: number;
  readonly folder: string;
  /** The socket's path, or the port. */
  readonly at: string | number;
  readonly audit: string;
  readonly exit: Promise<number | null>;
  stderr(): string;
  records(): JsonRpc[];
}

export interface ListenerOptions {
  readonly server: readonly string[];
  /** `unix+http`: a socket in the guard's folder; else a URL. */
  readonly listen?: string;
  readonly policy?: string;
  readonly args?: readonly string[];
}

/** Lends a guard that listens. It is stopped however `use` ends. */
export async function withListener<T>(
  { server, listen, policy, args = [] }: ListenerOptions,
  use: (guard: Listening) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "h-"));
  const path = join(folder, "door/s.sock");
  const audit = join(folder, "audit.jsonl");
  const file = join(folder, "policy.yaml");
  if (policy !== undefined) writeFileSync(file, policy, { mode: 0o600 });
  const [program, ...before] = guardCommand();
  const child: ChildProcess = spawn(program!, [
    ...before,
    "run",
    ...(policy === undefined ? [] : ["--policy", file]),
    "--audit",
    audit,
    "--listen",
    listen ?? `unix+http:${path}`,
    ...args,
    "--",
    ...server,
  ], { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  try {
    await waitUntil(() => said.includes("Listening at") || child.exitCode !== null, 20_000);
    const port = /Listening at http:\/\/\S+:(\d+)/.exec(said)?.[1];
    return await use({
      pid: child.pid!,
      folder,
      at: port === undefined ? path : Number(port),
      audit,
      exit,
      stderr: () => said,
      records: () =>
        readFileSync(audit, "utf8").trim().split("\n").map((line) => JSON.parse(line) as JsonRpc),
    });
  } catch (error) {
    if (error instanceof Error) error.message += `\n    guard's stderr: ${said.trim()}`;
    throw error;
  } finally {
    child.kill("SIGTERM");
    await exit;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `fetch` over a Unix socket or to a port, through node:http: what clients do that speak HTTP over sockets. */
export function fetchVia(at: string | number, agent: Agent): typeof fetch {
  return (input, init) =>
    new Promise((resolve, reject) => {
      const url = new URL(input instanceof Request ? input.url : String(input));
      const headers = Object.fromEntries(new Headers(init?.headers).entries());
      const body = typeof init?.body === "string" ? init.body : undefined;
      const req = request({
        ...(typeof at === "string" ? { socketPath: at } : { host: "127.0.0.1", port: at }),
        agent,
        path: url.pathname,
        method: init?.method ?? "GET",
        headers: {
          host: url.host,
          ...headers,
          ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
        },
      }, (res) => resolve(asResponse(res)));
      req.on("error", reject);
      init?.signal?.addEventListener("abort", () => {
        req.destroy();
        reject(new DOMException("Aborted", "AbortError"));
      });
      req.end(body);
    });
}

function asResponse(res: IncomingMessage): Response {
  const empty = res.statusCode === 202 || res.statusCode === 204;
  if (empty) res.resume();
  const headers = new Headers();
  for (let i = 0; i < res.rawHeaders.length; i += 2) {
    headers.append(res.rawHeaders[i]!, res.rawHeaders[i + 1]!);
  }
  res.on("error", () => {});
  return new Response(empty ? null : Readable.toWeb(res) as ReadableStream, {
    status: res.statusCode ?? 500,
    headers,
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends bytes as they are and gives back what comes, until the other end closes or nothing comes for a while. */
export function exchangeBytes(
  at: string | number,
  parts: readonly (string | Uint8Array)[],
  quietMs = 500,
): Promise<{ readonly text: string; readonly closed: boolean }> {
  return new Promise((resolve) => {
    const socket: Socket = typeof at === "string" ? connect(at) : connect(at, "127.0.0.1");
    let text = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const done = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed });
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => done(false), quietMs);
    };
    socket.setEncoding("utf8");
    const send = async (): Promise<void> => {
      for (const part of parts) {
        socket.write(part);
        await new Promise((next) => setTimeout(next, 30));
      }
      wait();
    };
    socket.on("connect", () => void send());
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (timer !== undefined) wait();
    });
    socket.on("error", () => {});
    socket.on("close", () => done(true));
  });
}

/** One request by itself, on a connection of its own unless an agent is given. */
export function ask(
  at: string | number,
  method: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
  agent?: Agent,
  path = "/mcp",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({
      ...(typeof at === "string" ? { socketPath: at } : { host: "127.0.0.1", port: at }),
      agent: agent ?? new Agent(),
      path,
      method,
      headers: {
        host: typeof at === "string" ? "localhost" : `127.0.0.1:${at}`,
        ...headers,
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      },
    }, (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      res.on(
        "end",
        () =>
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers as Record<string, string>,
            body: text,
          }),
      );
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** What every POST of the legacy era carries. */
export const MEDIA = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
} as const;

export const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } },
});

export interface ServerEvent {
  readonly id?: string;
  readonly data?: string;
}

/** A response of events, read one by one. */
export interface Events {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The next so many, as soon as they are there. */
  events(count: number): Promise<ServerEvent[]>;
  /** Settles when the guard has ended the response. */
  readonly ended: Promise<void>;
  /** Breaks the connection. */
  close(): void;
}

/** @param paused Nothing is read but the head. */
export function openEvents(
  at: string | number,
  method: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
  { paused = false } = {},
): Promise<Events> {
  return new Promise((resolve, reject) => {
    const req = request({
      ...(typeof at === "string" ? { socketPath: at } : { host: "127.0.0.1", port: at }),
      agent: new Agent(),
      path: "/mcp",
      method,
      headers: {
        host: typeof at === "string" ? "localhost" : `127.0.0.1:${at}`,
        ...headers,
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      },
    }, (res) => {
      const all: ServerEvent[] = [];
      let text = "";
      res.setEncoding("utf8");
      const ended = new Promise<void>((done) => res.once("end", done));
      res.on("error", () => {});
      if (paused) res.socket?.pause();
      else {
        res.on("data", (chunk: string) => {
          text += chunk;
          const parts = text.split("\n\n");
          text = parts.pop()!;
          all.push(...parts.filter((it) => !it.startsWith(":")).map(parseEvent));
        });
      }
      resolve({
        status: res.statusCode ?? 0,
        headers: res.headers as Record<string, string>,
        events: async (count) => {
          await waitUntil(() => all.length >= count, 10_000);
          return all.splice(0, count);
        },
        ended,
        close: () => void req.destroy(),
      });
    });
    req.on("error", reject);
    req.end(body);
  });
}

function parseEvent(text: string): ServerEvent {
  const field = (name: string): string | undefined => {
    const lines = text.split("\n").filter((line) => line.startsWith(`${name}:`));
    if (lines.length === 0) return undefined;
    return lines.map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
  };
  const [id, data] = [field("id"), field("data")];
  return { ...(id === undefined ? {} : { id }), ...(data === undefined ? {} : { data }) };
}
