/** A whole guard in front of `puppet.mjs`, a server that does what it is told and records every byte it receives. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type GuardOptions,
  type GuardProcess,
  type JsonRpc,
  waitUntil,
  withGuard,
  withTempDir,
} from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";

/** The servers are plain node programs, whatever the guard runs on. */
export const NODE: string = "Deno" in globalThis ? "node" : process.execPath;

export interface PuppetOptions extends Omit<GuardOptions, "server"> {
  /** Results, as JSON text, that the server gives instead of its own. */
  readonly answers?: Readonly<Record<string, string>>;
}

export interface PuppetGuard extends GuardProcess {
  /** Lines that reached the server, without their newlines. */
  received(): string[];
  /** Calls a tool and waits for its answer. */
  call(name: string, args?: JsonRpc): Promise<JsonRpc>;
}

/** Path of a server in `test/fixtures/servers`. */
export function fixture(name: string): string {
  return join(ROOT, "test/fixtures/servers", name);
}

/** Lends a guard in front of the puppet, after the legacy handshake. */
export function withPuppet<T>(
  { answers, ...options }: PuppetOptions,
  use: (guard: PuppetGuard) => Promise<T>,
): Promise<T> {
  return withTempDir((folder) => {
    const record = join(folder, "received");
    const server = [NODE, fixture("puppet.mjs"), record];
    if (answers !== undefined) {
      const file = join(folder, "answers.json");
      writeFileSync(file, JSON.stringify(answers));
      server.push(file);
    }
    return withGuard({ ...options, server }, async (guard) => {
      const puppet = asPuppet(guard, record);
      await puppet.initialize();
      // Else the handshake's last line would seem to be an effect of what a test does first.
      await waitUntil(() => puppet.received().length === 2);
      return await use(puppet);
    });
  });
}

function asPuppet(guard: GuardProcess, record: string): PuppetGuard {
  const more: Pick<PuppetGuard, "received" | "call"> = {
    received() {
      const text = existsSync(record) ? readFileSync(record, "utf8") : "";
      return text.split("\n").filter((line) => line !== "");
    },
    call: (name, args) =>
      guard.request("tools/call", { name, ...(args === undefined ? {} : { arguments: args }) }),
  };
  // The guard's getters stay getters.
  return Object.defineProperties(more, Object.getOwnPropertyDescriptors(guard)) as PuppetGuard;
}

/** How the guard ended; fails when it has not after `ms`, where waiting for it would wait for ever. */
export async function endOf(guard: GuardProcess, ms = 15_000): Promise<Awaited<GuardProcess["exit"]>> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`The guard still runs after ${ms} ms`)),
  );
  try {
    return await Promise.race([guard.exit, late]);
  } finally {
    late.catch(() => {}); // The rejection of the timer that is being stopped.
    timer.abort();
  }
}

/** The single text of a tool's result. */
export function textOf(answer: JsonRpc): string {
  const { content } = answer["result"] as { content: readonly { text: string }[] };
  return content[0]?.text ?? "";
}

/** The error of an answer; fails when there is none. */
export function errorOf(answer: JsonRpc): { readonly code: number; readonly message: string } {
  const error = answer["error"] as { code: number; message: string } | undefined;
  if (error === undefined) throw new Error(`Expected an error, but it is ${JSON.stringify(answer)}`);
  return error;
}
