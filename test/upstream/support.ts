/** Real children for the tests here: launched as the guard launches them, and gone afterwards whatever happens. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createDigests } from "../../sidecar/platform/digests.ts";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import type { LaunchedUpstream, LaunchOptions } from "../../sidecar/upstream/launch-options.ts";
import { type LaunchDependencies, launchUpstream } from "../../sidecar/upstream/launch.ts";
import { RUNTIMES } from "../tools/runtimes.ts";

export const platform = openPlatform();

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/servers/${name}.mjs`, import.meta.url));
}

export function server(name: string, ...args: string[]): readonly string[] {
  return ["node", fixture(name), ...args];
}

export function launchOptions(command: readonly string[], more: Partial<LaunchOptions> = {}): LaunchOptions {
  const env = { PATH: process.env.PATH ?? "" };
  return { command, cwd: "/", env, stopGraceMs: 1_000, stdio: "socket", stderr: {}, ...more };
}

/** An upstream with its output read into lines. */
export interface Running {
  readonly upstream: LaunchedUpstream;
  /** Everything it wrote so far. */
  text(): string;
  /** The first line of output, past or future, that matches. */
  line(pattern: RegExp): Promise<string>;
  send(message: unknown): void;
}

export interface UpstreamSetting extends Partial<LaunchOptions> {
  readonly dependencies?: Partial<LaunchDependencies>;
}

export async function withUpstream<T>(
  command: readonly string[],
  setting: UpstreamSetting,
  use: (running: Running) => T | Promise<T>,
): Promise<T> {
  const { dependencies, ...options } = setting;
  const digests = createDigests({ folder: () => undefined });
  try {
    const upstream = await launchUpstream(launchOptions(command, options), {
      platform,
      digests,
      ...dependencies,
    });
    try {
      return await use(read(upstream));
    } finally {
      for (let rung = 0; rung < 3; rung += 1) void upstream.stop("internal");
      await upstream.exited;
      await upstream.measured;
      upstream.output.destroy();
    }
  } finally {
    digests.close();
  }
}

function read(upstream: LaunchedUpstream): Running {
  let text = "";
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((check) => check());
  upstream.output.start({
    data(chunk) {
      text += chunk.toString();
      wake();
    },
    end: wake,
    error: wake,
    drain() {},
  });
  upstream.input.start({ data() {}, end() {}, error() {}, drain() {} });
  const line = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = text.split("\n").find((candidate) => pattern.test(candidate));
        if (found !== undefined) resolve(found);
      };
      waiting.add(check);
      check();
      void upstream.exited.then(() => reject(new Error(`It exited without writing ${pattern}: ${text}`)));
    });
  const send = (message: unknown) => void upstream.input.write(Buffer.from(JSON.stringify(message) + "\n"));
  return { upstream, text: () => text, line, send };
}

export const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: {} };
export const call = {
  jsonrpc: "2.0",
  id: 2,
  method: "tools/call",
  params: { name: "echo", arguments: { a: 1 } },
};

/** Whether a process runs, zombies aside: those wait for a parent that may never look. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

/** Pids whose command line holds this text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").includes(text) &&
        isRunning(pid);
    } catch {
      return false;
    }
  });
}

export interface GuardLike {
  readonly process: ChildProcess;
  readonly pid: number;
  /** The server's. */
  readonly server: number;
}

/** A process that has launched a server as the guard does, for tests that kill it or watch it from outside. */
export async function withGuardLike<T>(
  server: string,
  prefix: string | undefined,
  use: (guard: GuardLike) => T | Promise<T>,
): Promise<T> {
  const file = fileURLToPath(new URL("./fixtures/guard-like.ts", import.meta.url));
  const runtime = RUNTIMES.find(({ name }) => name === ("Deno" in globalThis ? "deno" : "node"))!;
  const [program, ...args] = [...runtime.command(file), server, ...(prefix === undefined ? [] : [prefix])];
  const guard = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise((resolve) => guard.once("exit", resolve));
  try {
    const said = await new Promise<string>((resolve, reject) => {
      let text = "";
      guard.stdout.on("data", (chunk) => (text += String(chunk)).includes("\n") && resolve(text));
      void exited.then(() => reject(new Error("The guard-like process exited early")));
    });
    const { guard: pid, pid: serverPid } = JSON.parse(said) as { guard: number; pid: number };
    return await use({ process: guard, pid, server: serverPid });
  } finally {
    guard.kill("SIGKILL");
    guard.stderr.destroy();
    await exited;
  }
}
