/** Starts and ends guards by the hundred, in every way, on one audit log. For `cycles.test.ts` and `soak.ts`. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as assert from "uvu/assert";
import { type GuardProcess, waitUntil, withGuard } from "../harness.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { commandLine, running } from "./processes.ts";
import { endOf, fixture, NODE, textOf } from "./puppet.ts";

export const ENDINGS = ["end of input", "SIGTERM", "SIGKILL in a call", "SIGKILL at any moment"] as const;
export type Ending = (typeof ENDINGS)[number];

export interface CycleOptions {
  /** A private folder for the log and all that guards leave in temp and runtime folders. */
  readonly folder: string;
  /** How each of them ends. */
  readonly plan: readonly Ending[];
  readonly atATime: number;
  /** For moments: from 0 to 1. */
  readonly random: () => number;
  readonly done?: (count: number) => void;
}

/** Runs them all, and asserts that no process, no socket and no altered log is left. */
export async function runCycles({ folder, plan, atATime, random, done }: CycleOptions): Promise<void> {
  const cycle = openCycle(folder);
  const queue = [...plan];
  let count = 0;
  const work = async () => {
    for (let ending = queue.shift(); ending !== undefined; ending = queue.shift()) {
      await cycle(ending, random());
      done?.(++count);
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  await assertNothingLeft(folder, plan);
}

function openCycle(folder: string): (ending: Ending, moment: number) => Promise<void> {
  for (const name of ["tmp", "run"]) mkdirSync(join(folder, name), { mode: 0o700 });
  const env = { TMPDIR: join(folder, "tmp"), XDG_RUNTIME_DIR: join(folder, "run") };
  // The folder stands in the server's command line, by which a server that was left behind is found.
  const server = [NODE, fixture("echo.mjs"), folder];
  const options = { server, env, args: ["--audit", auditFile(folder)] };
  return (ending, moment) =>
    withGuard(options, async (guard) => {
      if (ending === "SIGKILL at any moment") return await killAfter(guard, moment * 500);
      await guard.initialize();
      const answer = await guard.request("tools/call", { name: "echo", arguments: { moment } });
      assert.is(textOf(answer), JSON.stringify({ moment }));
      if (ending === "SIGKILL in a call") {
        guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } });
        return await killAfter(guard, 0);
      }
      if (ending === "SIGTERM") process.kill(guard.pid, "SIGTERM");
      else guard.end();
      assert.equal(await endOf(guard), { code: 0, signal: null });
    });
}

async function killAfter(guard: GuardProcess, ms: number): Promise<void> {
  await delay(ms);
  process.kill(guard.pid, "SIGKILL");
  await endOf(guard);
}

async function assertNothingLeft(folder: string, plan: readonly Ending[]): Promise<void> {
  await waitUntil(() => running(folder).length === 0, 10_000).catch(() => {
    assert.unreachable(
      `left behind: ${running(folder).map((pid) => `${pid} ${commandLine(pid)}`).join("; ")}`,
    );
  });
  const sockets = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((it) => it.isSocket());
  assert.equal(sockets.map((it) => it.name), []);

  const { chains } = await verifyUnaltered(auditFile(folder));
  const stopped = plan.filter((it) => it === "end of input" || it === "SIGTERM").length;
  const inCall = plan.filter((it) => it === "SIGKILL in a call").length;
  assert.is(chains.filter((it) => it.end === "stopped").length, stopped, "guards that stopped by themselves");
  // One that is killed early may not have begun its chain.
  const killed = chains.length - stopped;
  assert.ok(killed >= inCall && killed <= plan.length - stopped, `${killed} chains of killed guards`);
}

function auditFile(folder: string): string {
  return join(folder, "audit.jsonl");
}
