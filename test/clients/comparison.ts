/**
 * Plays one script against a server as it is and against the same server behind the guard, and compares what the
 * client read: every line, byte for byte, in its order, and what the SDK made of it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { waitUntil, withTempDir } from "../harness.ts";
import { running } from "../sessions/processes.ts";
import { guardCommand } from "../tools/guard-command.ts";
import { ROOT } from "../tools/runtimes.ts";
import type { Launch, OfficialClient, OfficialClientKind } from "./official.ts";

/** The servers are node programs, whatever the guard and the client run on. */
export const NODE: string = "Deno" in globalThis ? "node" : process.execPath;

export function reference(name: string): string {
  return join(ROOT, "node_modules/@modelcontextprotocol", name, "dist/index.js");
}

export interface Scene {
  readonly server: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly roots: Launch["roots"];
  /** Puts the scene as it was before the script: it is played several times. */
  prepare?(): void;
  /** Takes out of a line what differs from run to run. */
  normalise?(line: string): string;
}

/** Does something with the client; `step` keeps what came of it, a failure too. */
export type Script = (client: OfficialClient, step: Step) => Promise<void>;
export type Step = (name: string, act: () => unknown) => Promise<void>;

interface Played {
  readonly lines: readonly string[];
  readonly outcomes: Readonly<Record<string, unknown>>;
}

const ALLOW = "version: 1\nname: reference\ndefault: allow\n";

/** @param policies Beside no policy at all: texts of policies under which everything that the script does is allowed. */
export async function compare(
  kind: OfficialClientKind,
  scene: Scene,
  script: Script,
  policies: readonly string[] = [ALLOW],
): Promise<Played> {
  const direct = await play(kind, scene, script, scene.server);
  assert.ok(
    direct.lines.length > 0 || "message" in (direct.outcomes["open"] as object),
    "nothing was compared",
  );
  for (const policy of [undefined, ...policies]) {
    const guarded = await withTempDir(async (folder) => {
      const played = await play(kind, scene, script, guardedBy(policy, folder, scene.server));
      // A client that could not agree does not wait for its server; what guards left behind would be found here, too.
      await waitUntil(() => running(folder).length === 0, 10_000);
      return played;
    });
    const under = policy === undefined ? "without a policy" : "with a policy";
    same(guarded.lines, direct.lines, `${under}, the client read another line`);
    same(
      Object.entries(guarded.outcomes),
      Object.entries(direct.outcomes),
      `${under}, a step came to something else`,
    );
  }
  return direct;
}

/** Says which one differs first: the whole of both would fill pages. */
function same(actual: readonly unknown[], expected: readonly unknown[], message: string): void {
  const count = Math.max(actual.length, expected.length);
  for (let at = 0; at < count; at++) assert.equal(actual[at], expected[at], `${message} (number ${at})`);
}

export function guardedBy(
  policy: string | undefined,
  folder: string,
  server: readonly string[],
): readonly string[] {
  const file = join(folder, "policy.yaml");
  if (policy !== undefined) writeFileSync(file, policy, { mode: 0o600 });
  const options = policy === undefined ? [] : ["--policy", file];
  return [...guardCommand(), "run", ...options, "--audit", join(folder, "audit.jsonl"), "--", ...server];
}

async function play(
  kind: OfficialClientKind,
  scene: Scene,
  script: Script,
  command: readonly string[],
): Promise<Played> {
  scene.prepare?.();
  mkdirSync(scene.cwd, { recursive: true });
  const env = { ...ENVIRONMENT, ...scene.env };
  const outcomes: Record<string, unknown> = {};
  let client: OfficialClient | undefined;
  outcomes["open"] = await outcomeOf(async () => {
    client = await kind.open({ command, env, cwd: scene.cwd, roots: scene.roots });
    return [
      client.protocolVersion(),
      client.getServerVersion(),
      client.getServerCapabilities(),
      client.getInstructions(),
    ];
  });
  if (client !== undefined) await follow(script, client, outcomes);
  const normalise = scene.normalise ?? ((line) => line);
  return {
    lines: client?.recording.lines.map(normalise) ?? [],
    outcomes: JSON.parse(normalise(JSON.stringify(outcomes))),
  };
}

async function follow(
  script: Script,
  client: OfficialClient,
  outcomes: Record<string, unknown>,
): Promise<void> {
  try {
    await script(client, async (name, act) => {
      if (name in outcomes) throw new Error(`Two steps are called '${name}'`);
      outcomes[name] = await outcomeOf(act);
    });
  } finally {
    await client.close();
  }
}

async function outcomeOf(act: () => unknown): Promise<unknown> {
  try {
    return { result: await act() };
  } catch (error) {
    const { message, code, data } = error as { message: string; code?: unknown; data?: unknown };
    return { message, code, data };
  }
}

/** The SDKs hand on six variables of ours and what they are given. Both of the guard's runtimes start with these. */
const ENVIRONMENT: Readonly<Record<string, string>> = Object.fromEntries(
  ["TMPDIR", "DENO_DIR", "DENO_NO_UPDATE_CHECK", "MCP_GUARD_TEST_RUN"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
