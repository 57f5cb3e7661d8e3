/** Five hundred sessions on one shared server: what each costs, how fast they are, and one that stops reading. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../../tools/runtimes.ts";
import type { Conditions, Measure } from "../measure.ts";
import { memoryOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { POLICY, type Subject } from "../subjects.ts";

const POLICY_TEXT =
  "version: 1\nname: shared\nsession: {children: shared, max_sessions: 600}\ndefault: allow\n";
/** The guard attests at most 16 connections of an account at a time, and turns others away. */
const AT_A_TIME = 8;

export const shared: Measure = {
  name: "shared",
  summary: "500 sessions on one shared server, and one that does not read",
  places: ["free"],
  async run(conditions: Conditions): Promise<Row[]> {
    const subject = conditions.bench.subject(POLICY);
    if (subject === undefined) return [];
    const count = conditions.quick ? 100 : 500;
    const values = await withListeningGuard(conditions, (pid, path) => measure(pid, path, count));
    const row = (what: string, unit: string, value: number) =>
      rowsOf(
        `${count} sessions on one server, ${what}`,
        "",
        unit,
        new Map<Subject, number[]>([[subject, [value]]]),
      );
    return [
      ...row("own memory of the guard per session", "KB", values.perSessionKB),
      ...row("calls/s, 1 in flight each", "/s", values.callsPerSecond),
      ...row("the same while one of them does not read", "/s", values.besideSlow),
      ...row("growth of memory by the one that does not read", "MB", values.slowMB),
    ];
  },
};

async function measure(pid: number, path: string, count: number) {
  // The first session starts the server and loads what sessions need.
  const peers = [await Peer.open(path, 0)];
  await delay(500);
  const before = memoryOf(pid).ownMB;
  while (peers.length < count) {
    const more = Math.min(AT_A_TIME, count - peers.length);
    const first = peers.length;
    peers.push(...await Promise.all(Array.from({ length: more }, (_, i) => Peer.open(path, first + i))));
  }
  await delay(1_000);
  const perSessionKB = (memoryOf(pid).ownMB - before) * 1024 / (count - 1);
  const callsPerSecond = await rate(peers);
  const { growth, calls } = await besideSlow(pid, peers);
  for (const peer of peers) peer.close();
  return { perSessionKB, callsPerSecond, besideSlow: calls, slowMB: growth };
}

const ROUNDS = 20;

/** Each peer has one call in flight, so that none waits for another. */
async function rate(peers: readonly Peer[]): Promise<number> {
  const begun = performance.now();
  await Promise.all(peers.map(async (peer) => {
    for (let i = 0; i < ROUNDS; i++) await peer.call(0);
  }));
  return peers.length * ROUNDS * 1000 / (performance.now() - begun);
}

/** One asks for 256 MiB and reads none of it. */
async function besideSlow(pid: number, peers: readonly Peer[]) {
  const [slow, ...others] = peers;
  const before = memoryOf(pid).ownMB;
  slow!.stopReading(256);
  let most = before;
  const watch = setInterval(() => most = Math.max(most, memoryOf(pid).ownMB), 20);
  const calls = await rate(others);
  clearInterval(watch);
  return { growth: most - before, calls };
}

/** A raw client. Whatever it is told and is not its own fails the run: a leak must never count as speed. */
class Peer {
  readonly #socket: Socket;
  readonly #tag: string;
  readonly #waiting = new Map<number, (text: string) => void>();
  #last = 0;
  #rest = "";

  static async open(path: string, number: number): Promise<Peer> {
    const peer = new Peer(connect(path), `peer-${number}-`);
    await peer.#request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "bench", version: "1" },
    });
    peer.#socket.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    await peer.call(0);
    return peer;
  }

  private constructor(socket: Socket, tag: string) {
    this.#socket = socket;
    this.#tag = tag;
    socket.setEncoding("utf8");
    socket.on("error", () => {}); // A slow peer is closed by the guard: that is what is measured.
    socket.on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) {
        const { id } = JSON.parse(line) as { id: number };
        this.#waiting.get(id)?.(line);
        this.#waiting.delete(id);
      }
    });
  }

  async call(kilobytes: number): Promise<void> {
    const secret = `${this.#tag}${this.#last}`;
    const answer = await this.#request("tools/call", { name: "work", arguments: { secret, kilobytes } });
    if (!answer.includes(`"${secret}"`)) throw new Error(`'${secret}' was answered ${answer.slice(0, 200)}`);
  }

  stopReading(mebibytes: number): void {
    this.#socket.pause();
    for (let i = 0; i < mebibytes; i++) this.call(1024).catch(() => {});
  }

  close(): void {
    this.#socket.destroy();
  }

  #request(method: string, params: unknown): Promise<string> {
    const id = this.#last++;
    this.#socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

async function withListeningGuard<T>(
  { bench }: Conditions,
  use: (pid: number, path: string) => Promise<T>,
): Promise<T> {
  const policy = join(bench.folder, "shared.yaml");
  writeFileSync(policy, POLICY_TEXT, { mode: 0o600 });
  const path = join(bench.folder, "door/shared.sock");
  const guard = join(ROOT, "dist/mcp-guard.js");
  const server = [process.execPath, join(ROOT, "test/bench/fixtures/worker.mjs")];
  const log = join(bench.folder, "shared.audit.jsonl");
  const args = ["run", "--policy", policy, "--audit", log, "--listen", `unix:${path}`, "--", ...server];
  const child = spawn(process.execPath, [guard, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: bench.folder,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const exit = new Promise((resolve) => child.once("exit", resolve));
  try {
    while (!said.includes("Listening at")) {
      if (child.exitCode !== null) throw new Error(`The guard ended: ${said}`);
      await delay(10);
    }
    return await use(child.pid ?? -1, path);
  } finally {
    child.kill("SIGTERM");
    await exit;
  }
}
