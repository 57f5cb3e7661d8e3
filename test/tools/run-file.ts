import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findLeftovers, killGroup, killLeftovers } from "./leftovers.ts";
import type { Runtime } from "./runtimes.ts";
import { judge, type Verdict } from "./verdict.ts";

export interface FileResult extends Verdict {
  readonly runtime: string;
  readonly file: string;
  readonly seconds: number;
  /** Everything it wrote, for the report of a failure. */
  readonly output: string;
}

/** One file on one runtime. */
export interface Job {
  readonly runtime: Runtime;
  readonly file: string;
}

/** Runs every job, so many at a time, and hands each result over as it comes. */
export async function runJobs(
  jobs: readonly Job[],
  options: { readonly atATime: number; readonly timeoutMs: number },
  done: (result: FileResult) => void,
): Promise<void> {
  const queue = [...jobs];
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      done(await runFile(job, options.timeoutMs));
    }
  };
  await Promise.all(Array.from({ length: options.atATime }, work));
}

const OUTPUT_LIMIT = 4 * 1024 * 1024;
const running = new Map<ChildProcess, string>();

/**
 * Runs one test file in a process group, a home and a temp folder of its own, and judges it.
 *
 * Once it has ended, or its time is up, nothing of it is left: what it did not end or remove itself is ended and
 * removed here, and counted against it.
 */
async function runFile({ runtime, file }: Job, timeoutMs: number): Promise<FileResult> {
  const started = performance.now();
  // Short: paths of Unix sockets below it must stay under 108 bytes.
  const folder = mkdtempSync(join(tmpdir(), "mg-"));
  for (const name of ["home", "tmp"]) mkdirSync(join(folder, name), { mode: 0o700 });
  const [program, ...args] = runtime.command(file);
  const child = spawn(program, args, {
    detached: true, // a process group that can be killed whole
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(folder),
  });
  running.set(child, folder);
  const output = collect(child);
  const ended = await endOf(child, timeoutMs);
  const leftovers = await findLeftovers(child.pid, folder, ended.timedOut);
  killLeftovers(child.pid, folder);
  await output.closed();
  running.delete(child);
  rmSync(folder, { recursive: true, force: true });
  const verdict = judge({
    source: readFileSync(file, "utf8"),
    exitCode: ended.exitCode,
    signal: ended.signal,
    ...(ended.timedOut ? { timedOutAfterMs: timeoutMs } : {}),
    stdout: output.stdout(),
    stderr: output.stderr(),
    leftovers,
  });
  const seconds = (performance.now() - started) / 1000;
  return {
    ...verdict,
    runtime: runtime.name,
    file,
    seconds,
    output: output.all(),
  };
}

/** When the run itself is ended, what it started is ended first, and its folders go. */
export function cleanUpOnSignals(): void {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    process.on(signal, () => {
      for (const [child, folder] of running) {
        killLeftovers(child.pid, folder);
        rmSync(folder, { recursive: true, force: true });
      }
      process.exit(code);
    });
  }
}

/**
 * The environment without what would change a test's outcome or let it touch the person's own files. HOME is also the
 * mark by which processes that left the group are found again: every allow-list of ours lets it through.
 */
function environment(folder: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, FORCE_COLOR: _colour, ...env } = process.env;
  for (const name of Object.keys(env)) {
    if (name.startsWith("XDG_")) delete env[name];
  }
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return {
    ...env,
    HOME: join(folder, "home"),
    TMPDIR: join(folder, "tmp"),
    DENO_DIR: process.env["DENO_DIR"] ?? join(cache, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    TSX_DISABLE_CACHE: "1",
    NO_COLOR: "1",
    MCP_GUARD_TEST_RUN: "1",
  };
}

interface End {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
}

function endOf(child: ChildProcess, timeoutMs: number): Promise<End> {
  return new Promise((resolve) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, timeoutMs);
    // Not "close": a grandchild that keeps the pipe open would hold it back for ever.
    child.once("exit", (exitCode, signal) => {
      clearTimeout(timer);
      resolve({ exitCode, signal, timedOut });
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      process.stderr.write(`Cannot start ${child.spawnfile}: ${error.message}\n`);
      resolve({ exitCode: 127, signal: null, timedOut });
    });
  });
}

function collect(child: ChildProcess) {
  const chunks: {
    readonly stream: "stdout" | "stderr";
    readonly bytes: Buffer;
  }[] = [];
  let size = 0;
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.on("data", (bytes: Buffer) => {
      size += bytes.length;
      // Past the limit the summary is lost too, so the file fails: nothing is accepted on half of its output.
      if (size <= OUTPUT_LIMIT) chunks.push({ stream, bytes });
    });
  }
  const text = (only?: string) =>
    Buffer.concat(chunks.filter((it) => only === undefined || it.stream === only).map((it) => it.bytes))
      .toString();
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    stdout: () => text("stdout"),
    stderr: () => text("stderr"),
    all: () => text() + (size > OUTPUT_LIMIT ? "\n… (output cut)\n" : ""),
    // A stray that cannot be killed must not stop the whole run.
    closed: () => Promise.race([closed, delay(5_000, undefined, { ref: false })]),
  };
}
