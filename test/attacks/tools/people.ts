/** Who carries out an attack: whoever runs the tests, and beside root an ordinary user as well. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { guardCommand } from "../../harness.ts";
import { fixture, NODE } from "../../sessions/puppet.ts";

export interface Person {
  /** For the titles of tests. */
  readonly title: string;
  readonly uid: number;
  readonly gid: number;
  /** Put before a command to run it as this person. It executes the command in its place: the pid stays. */
  readonly prefix: readonly string[];
}

export const ROOT_RUNS: boolean = process.getuid?.() === 0;

/** Whoever runs the tests. */
export const SELF: Person = {
  title: ROOT_RUNS ? "root" : "an ordinary user",
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
  prefix: [],
};

/** Root may do what the attacker of a test may not, so the same is shown again without its rights. */
export const PEOPLE: readonly Person[] = ROOT_RUNS ? [SELF, ordinary(60_000)] : [SELF];

/** An account that nobody has. Each test file has others, so that two at a time do not see each other's processes. */
export function ordinary(base: number): Person {
  const taken = new Set(
    readFileSync("/etc/passwd", "utf8").split("\n").map((line) => Number(line.split(":")[2])),
  );
  let uid = base + process.pid % 4_000;
  while (taken.has(uid)) uid++;
  const ids = ["--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
  return { title: "an ordinary user", uid, gid: uid, prefix: ["setpriv", ...ids, "--"] };
}

/** Why this person cannot run the programs of these tests; empty when nothing is in the way. */
export function obstacle({ prefix }: Person): string {
  if (process.platform !== "linux") return "needs Linux";
  if (spawnSync("cc", ["--version"]).status !== 0) return "needs a C compiler, as 'cc'";
  if (prefix.length === 0) return "";
  // Deno puts words of its own behind its own path, wherever in a command that stands: so it comes last.
  const files = [fixture("puppet.mjs"), ...guardCommand().filter((it) => it.includes("/")).toReversed()];
  const look = "for (const it of process.argv.slice(1)) require('fs').accessSync(it)";
  const [program = "", ...args] = [...prefix, NODE, "-e", look, ...files];
  const { status } = spawnSync(program, args, { cwd: "/" });
  return status === 0 ? "" : "another user cannot read this checkout or run node, or setpriv(1) is missing";
}
