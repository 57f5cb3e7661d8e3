/** A Unix socket that the real guard stands before, with a server behind it that records every byte it receives. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { guardCommand, type JsonRpc, waitUntil } from "../../harness.ts";
import { fixture, NODE } from "../../sessions/puppet.ts";
import type { Actor } from "./actor.ts";
import { stateOf } from "./state.ts";

/** What came of an attack on the real guard. */
export interface Outcome {
  /** Until the log says that a peer was refused, or its session ended, for this. @returns What it says of it. */
  turnedAway(code: string): Promise<JsonRpc>;
  /** Until the log says that a peer was admitted. @returns What it says of it. */
  admitted(): Promise<JsonRpc>;
  /** Until the server has received such a line. */
  reached(what: RegExp): Promise<void>;
  /** What the attack is about never came to the server, and will not: the guard is ended first. */
  neverReached(what: RegExp): Promise<void>;
}

export interface GuardedDoor extends Outcome {
  readonly path: string;
  /**
   * Holds the guard up until an attack is in place. A real attacker tries until he finds the moment, or keeps the guard
   * busy; here he finds it at once.
   */
  whileHeldUp(act: () => Promise<void>): Promise<void>;
}

/** A guard on its own stdin and stdout, for somebody else to start. */
export interface GuardedCommand extends Outcome {
  readonly command: readonly string[];
  /** Who started it. That one is killed at the end, and the guard with it: they are one process group. */
  startedBy(starter: Actor): void;
}

/** What of a lab is needed here. */
interface Place {
  readonly folder: string;
  put(name: string, content: string): string;
  run(command: readonly string[]): Actor;
}

/** Text of the `clients` of a policy. */
export function admitting(digest: string, more = ""): string {
  return `  - name: agent\n    executable: {sha256: ${digest}}\n${more}`;
}

export async function withGuardedDoor(
  lab: Place,
  clients: string,
  use: (door: GuardedDoor) => Promise<void>,
  scheme: "unix" | "unix+http" = "unix",
): Promise<void> {
  const path = join(lab.folder, `guarded-${++guards}.sock`);
  const { command, audit, received } = guardOf(lab, clients, ["--listen", `${scheme}:${path}`]);
  const guard = lab.run(command);
  await waitUntil(() => guard.stderr.includes("Listening"), 20_000);
  let ended = false;
  const end = async (): Promise<void> => {
    if (!ended) process.kill(guard.pid, "SIGTERM");
    ended = true;
    await guard.exit;
  };
  await use({
    path,
    async whileHeldUp(act) {
      process.kill(guard.pid, "SIGSTOP");
      await waitUntil(() => isStopped(guard.pid));
      await act();
      process.kill(guard.pid, "SIGCONT");
    },
    ...outcomeOf(audit, received, { said: () => guard.stderr, end }),
  });
  await end();
}

/** Each has files of its own. */
let guards = 0;

/** The command of a guard with the policy that admits these. */
export function guardedCommand(lab: Place, clients: string): GuardedCommand {
  const { command, audit, received } = guardOf(lab, clients, []);
  let starter: Actor | undefined;
  const end = async (): Promise<void> => {
    await starter?.kill();
    // The server lives a moment longer, and might still read what the guard had let through.
    await waitUntil(() => !isRunning(received), 10_000);
  };
  const said = (): string => starter?.stderr ?? "";
  return { command, startedBy: (by) => void (starter = by), ...outcomeOf(audit, received, { said, end }) };
}

function guardOf(lab: Place, clients: string, more: readonly string[]) {
  const name = `guard-${++guards}`;
  const received = join(lab.folder, `${name}.received`);
  const audit = join(lab.folder, `${name}.audit.jsonl`);
  const policy = lab.put(
    `${name}.yaml`,
    `version: 1\nname: attacked\nclients:\n${clients}rules:\n  - {name: all, tools: ["*"], effect: allow}\n`,
  );
  const options = ["run", "--policy", policy, "--audit", audit, ...more];
  return {
    audit,
    received,
    command: [...guardCommand(), ...options, "--", NODE, fixture("puppet.mjs"), received],
  };
}

interface Guard {
  said(): string;
  end(): Promise<void>;
}

function outcomeOf(audit: string, received: string, guard: Guard): Outcome {
  const records = (): JsonRpc[] => linesOf(audit).map((line) => JSON.parse(line) as JsonRpc);
  const found = async (matches: (record: JsonRpc) => boolean): Promise<JsonRpc> => {
    let record: JsonRpc | undefined;
    try {
      await waitUntil(() => (record = records().find(matches)) !== undefined, 15_000);
    } catch (error) {
      throw new Error(`No such record; the guard said: ${guard.said()}`, { cause: error });
    }
    return (record!["detail"] ?? record) as JsonRpc;
  };
  return {
    turnedAway: (code) => found((record) => tellsOf(record, code)),
    admitted: () => found((record) => record["type"] === "session-start"),
    reached: (what) => waitUntil(() => linesOf(received).some((line) => what.test(line)), 15_000),
    async neverReached(what) {
      await guard.end();
      assert.not(linesOf(received).some((line) => what.test(line)), `it came to the server: ${what}`);
    },
  };
}

function tellsOf(record: JsonRpc, code: string): boolean {
  const detail = record["detail"] as JsonRpc | undefined;
  return record["type"] === "peer-refused" && detail?.["code"] === code ||
    record["type"] === "session-end" && detail?.["reason"] === code ||
    record["type"] === "decision" && record["reason"] === code;
}

function linesOf(file: string): string[] {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "");
}

/** Whether a process has this word in its command line. */
function isRunning(word: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return /^[0-9]+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(word);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** Whether each thread of it stands still: the signal takes a moment to reach them all. */
function isStopped(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).every((thread) => stateOf(`${folder}/${thread}`) === "T");
}
