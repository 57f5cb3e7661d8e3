/** A Unix socket that the real guard stands before, with a server behind it that records every byte it receives. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { guardCommand, type JsonRpc, waitUntil } from "../../harness.ts";
import { fixture, NODE } from "../../sessions/puppet.ts";
import type { Actor } from "./actor.ts";
import type { Lab } from "./lab.ts";

export interface GuardedDoor {
  readonly path: string;
  /**
   * Holds the guard up until an attack is in place. A real attacker tries until he finds the moment, or keeps the guard
   * busy; here he finds it at once.
   */
  whileHeldUp(act: () => Promise<void>): Promise<void>;
  /** Until the log says that a peer was refused, or its session ended, for this. @returns That record. */
  turnedAway(code: string): Promise<JsonRpc>;
  /** Until the log says that a peer was admitted. @returns What it says of it. */
  admitted(): Promise<JsonRpc>;
  /** Until the server has received such a line. */
  reached(what: RegExp): Promise<void>;
  /** What the attack is about never came to the server, and will not: the guard is stopped first. */
  neverReached(what: RegExp): Promise<void>;
}

/** Text of the `clients` of a policy. */
export function admitting(digest: string, more = ""): string {
  return `  - name: agent\n    executable: {sha256: ${digest}}\n${more}`;
}

export async function withGuardedDoor(
  lab: Lab,
  clients: string,
  use: (door: GuardedDoor) => Promise<void>,
): Promise<void> {
  const received = join(lab.folder, "received");
  const audit = join(lab.folder, "audit.jsonl");
  const path = join(lab.folder, "guarded.sock");
  const guard = lab.run([...guardOptions(lab, clients, audit), `unix:${path}`, "--", ...server(received)]);
  await waitUntil(() => guard.stderr.includes("Listening"), 20_000);
  const records = (): JsonRpc[] => linesOf(audit).map((line) => JSON.parse(line) as JsonRpc);
  await use({
    path,
    async whileHeldUp(act) {
      process.kill(guard.pid, "SIGSTOP");
      await act();
      process.kill(guard.pid, "SIGCONT");
    },
    turnedAway: (code) => found(() => records().find((record) => tellsOf(record, code)), guard),
    async admitted() {
      const start = await found(() => records().find((record) => record["type"] === "session-start"), guard);
      return start["detail"] as JsonRpc;
    },
    reached: (what) => waitUntil(() => linesOf(received).some((line) => what.test(line)), 15_000),
    async neverReached(what) {
      process.kill(guard.pid, "SIGTERM");
      await guard.exit;
      assert.not(linesOf(received).some((line) => what.test(line)), `it came to the server: ${what}`);
    },
  });
}

function guardOptions(lab: Lab, clients: string, audit: string): readonly string[] {
  const policy = lab.put(
    "policy.yaml",
    `version: 1\nname: attacked\nclients:\n${clients}rules:\n  - {name: all, tools: ["*"], effect: allow}\n`,
  );
  return [...guardCommand(), "run", "--policy", policy, "--audit", audit, "--listen"];
}

function server(received: string): readonly string[] {
  return [NODE, fixture("puppet.mjs"), received];
}

function tellsOf(record: JsonRpc, code: string): boolean {
  const detail = record["detail"] as JsonRpc | undefined;
  return record["type"] === "peer-refused" && detail?.["code"] === code ||
    record["type"] === "session-end" && detail?.["reason"] === code ||
    record["type"] === "decision" && record["reason"] === code;
}

async function found(look: () => JsonRpc | undefined, guard: Actor): Promise<JsonRpc> {
  let record: JsonRpc | undefined;
  try {
    await waitUntil(() => (record = look()) !== undefined, 15_000);
  } catch (error) {
    throw new Error(`No such record; the guard said: ${guard.stderr}`, { cause: error });
  }
  return record!;
}

function linesOf(file: string): string[] {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "");
}
