/**
 * Two hundred connections a second by accounts that nobody lets in: what they take from a session that was admitted.
 *
 * The socket's folder keeps other accounts out, so the bench, which must be root, opens folder and socket after the guard
 * looked at them: what is measured is the guard's own refusal, by the account that the kernel pinned at connect. Each of
 * two hundred accounts comes once a second, so that each gets its record in the log: a single one would be counted only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Measure } from "../measure.ts";
import { echoCall } from "../messages.ts";
import { cpuMs, timeOf } from "../process-costs.ts";
import type { Row } from "../rows.ts";
import { SocketSession } from "../socket-session.ts";
import { ratioOf, spreadOf } from "../statistics.ts";
import { type Bench, environment, fixture, SERVERS } from "../subjects.ts";

/** As `fixtures/strangers.mjs` has it. */
const RATE = 200;
const MEASURE = "round trip beside 200 strangers a second";

export const strangers: Measure = {
  name: "strangers",
  summary: "a session beside 200 connections a second that are not admitted (root)",
  places: ["one core"],
  async run({ bench, quick, place }): Promise<Row[]> {
    if (process.getuid?.() !== 0) {
      process.stdout.write("strangers: skipped, since only root can connect as other accounts\n");
      return [];
    }
    const door = await openDoor(bench);
    try {
      const session = await SocketSession.open(door.path);
      const call = echoCall(bench.note, 200);
      const count = quick ? 400 : 4_000;
      const turn = async () => await timeOf(place, door.pid, () => session.trips(call, count)) * 1000 / count;
      await turn();
      const digests = door.digests();
      const [alone, beside]: [number[], number[]] = [[], []];
      const cut: Cut[] = [];
      const costs: number[] = [];
      for (let i = 0; i < (quick ? 3 : 7); i++) {
        alone.push(await turn());
        const flood = new Flood(door.path);
        await delay(300);
        costs.push(await costOfOne(door.pid));
        beside.push(await turn());
        cut.push(await flood.end());
      }
      session.close();
      const row = (subject: string, unit: string, values: readonly number[], ratio?: Row["ratio"]): Row => {
        return { measure: MEASURE, place, subject, unit, value: spreadOf(values), ratio };
      };
      return [
        row("session alone", "µs", alone),
        row("session beside them", "µs", beside, ratioOf(beside, alone)),
        row("the guard's CPU for one stranger", "µs", costs),
        row("strangers cut off", "1/s", cut.map((it) => it.perSecond)),
        row("strangers answered", "", [cut.reduce((sum, it) => sum + it.answered, 0)]),
        row("strangers measured or hashed", "", [door.measured() + door.digests() - digests]),
      ];
    } finally {
      door.close();
    }
  },
};

/** What the guard spends on each while its session says nothing. */
async function costOfOne(pid: number): Promise<number> {
  const [begun, before] = [performance.now(), cpuMs(pid)];
  await delay(700);
  const strangers = (performance.now() - begun) * RATE / 1000;
  return (cpuMs(pid) - before) * 1000 / strangers;
}

interface Door {
  readonly pid: number;
  readonly path: string;
  /** Digests that the guard keeps by now. */
  digests(): number;
  /** Refusals whose record knows more than the account, which there was no reason to look for. */
  measured(): number;
  close(): void;
}

async function openDoor(bench: Bench): Promise<Door> {
  const folder = join(bench.folder, "stranger-door");
  const path = join(folder, "s.sock");
  const runtime = join(bench.folder, "stranger-run");
  for (const each of [folder, runtime]) mkdirSync(each, { mode: 0o700 });
  const log = join(bench.folder, "strangers.audit.jsonl");
  const args = [bench.guard, "run", "--audit", log, "--listen", `unix:${path}`, "--", ...SERVERS.tiny];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: bench.project,
    env: environment(runtime),
  });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error("The guard ended")));
    child.stderr.setEncoding("utf8").on(
      "data",
      (text: string) => void (text.includes("Listening") && resolve()),
    );
  });
  for (const each of [bench.folder, folder]) chmodSync(each, 0o711);
  chmodSync(path, 0o666);
  return {
    pid: child.pid ?? -1,
    path,
    digests: () => digestsIn(runtime),
    measured: () => measuredIn(log),
    close: () => void child.kill("SIGTERM"),
  };
}

function digestsIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /digests-[^/]*\//.test(name)).length;
}

/** Their records say `account` where other peers have facts. */
function measuredIn(log: string): number {
  const records = readFileSync(log, "utf8").trim().split("\n").filter((line) =>
    line.includes('"type":"peer-refused"')
  );
  if (records.length === 0) throw new Error("No refusal was recorded");
  return records.filter((line) =>
    !line.includes('"sha256_absent":"account"') && !line.includes('"absent":"account"')
  ).length;
}

interface Cut {
  /** Connections that were closed. */
  readonly perSecond: number;
  readonly answered: number;
}

class Flood {
  readonly #child: ChildProcess;
  #said = "";

  constructor(path: string) {
    this.#child = spawn(process.execPath, [fixture("strangers.mjs"), path], {
      stdio: ["pipe", "pipe", "inherit"],
      env: environment(undefined),
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => void (this.#said += text));
  }

  async end(): Promise<Cut> {
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin?.end();
    await closed;
    return JSON.parse(this.#said) as Cut;
  }
}
