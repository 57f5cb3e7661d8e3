/**
 * Ten thousand calls of several peers on one shared server, with equal ids and equal progress tokens, while peers
 * cancel, disconnect and make the server crash: nobody ever sees what is another's.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type JsonRpc, limited } from "../harness.ts";
import { type Listening, withListener } from "./listening.ts";
import { fixture, NODE } from "./puppet.ts";
import { verifyUnaltered } from "./audit-command.ts";

const POLICY = "version: 1\nname: crowd\nsession: {children: shared}\ndefault: allow\n";
const PEERS = 6;
const CALLS = 10_000;
const IN_FLIGHT = 24;

/** Numbers from a seed, so that a failure can be played again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Count {
  begun: number;
  answered: number;
  failed: number;
  cancelled: number;
  lost: number;
  progress: number;
  connections: number;
}

interface Call {
  readonly secret: string;
  readonly token: unknown;
  cancelled: boolean;
}

/** All that are open, so that one that fails ends the others. */
const sockets = new Set<Socket>();

/** One connection: keeps calls in flight until it breaks, or enough were made. */
class Connection {
  readonly #socket: Socket;
  readonly #tag: string;
  readonly #calls = new Map<unknown, Call>();
  readonly #count: Count;
  readonly #random: () => number;
  #next = 0;
  #rest = "";
  #leaving = false;
  readonly closed: Promise<void>;

  constructor(path: string, tag: string, count: Count, random: () => number) {
    this.#tag = tag;
    this.#count = count;
    this.#random = random;
    this.#socket = connect(path);
    sockets.add(this.#socket);
    this.#socket.setEncoding("utf8");
    this.#socket.on("error", () => {});
    this.closed = new Promise((resolve, reject) => {
      this.#socket.on("close", () => {
        sockets.delete(this.#socket);
        count.lost += [...this.#calls.values()].filter((call) => !call.cancelled).length;
        resolve();
      });
      this.#socket.on("data", (text: string) => {
        try {
          this.#took(text);
        } catch (error) {
          this.#socket.destroy();
          reject(error as Error);
        }
      });
    });
    this.#socket.on("connect", () => {
      this.#send({
        id: "open",
        method: "initialize",
        params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: tag, version: "1" } },
      });
    });
  }

  #send(message: JsonRpc): void {
    this.#socket.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #took(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) if (!this.#leaving) this.#line(line);
    if (!this.#leaving) this.#work();
  }

  #line(line: string): void {
    for (const secret of line.match(/secret-[0-9-]+/g) ?? []) {
      assert.ok(secret.startsWith(`secret-${this.#tag}-`), `${this.#tag} was shown ${line}`);
    }
    const message = JSON.parse(line) as { id?: unknown; method?: string; params?: JsonRpc } & JsonRpc;
    if (message.id === "open") return this.#send({ method: "notifications/initialized" });
    if (message.method === "notifications/progress") return this.#progress(message.params!);
    const call = this.#calls.get(message.id);
    assert.ok(call !== undefined, `an answer to nothing: ${line}`);
    // It may have been on its way when its peer gave it up.
    if (call.cancelled) return;
    this.#calls.delete(message.id);
    if ("error" in message) {
      this.#count.failed++;
      return;
    }
    assert.is(
      JSON.stringify(message["result"]),
      JSON.stringify({ content: [{ type: "text", text: call.secret }] }),
    );
    this.#count.answered++;
  }

  #progress({ progressToken, message }: JsonRpc): void {
    const call = [...this.#calls.values()].find((it) => it.secret === message);
    assert.ok(call !== undefined, `progress of what is over: ${String(message)}`);
    // Its exact type, too: `1` is not `"1"`.
    assert.is(progressToken, call.token);
    this.#count.progress++;
  }

  #work(): void {
    const count = this.#count;
    const open = () => [...this.#calls.values()].filter((call) => !call.cancelled).length;
    if (count.begun >= CALLS && open() === 0) return this.#leave(true);
    while (count.begun < CALLS && open() < IN_FLIGHT) {
      const chance = this.#random();
      if (chance < 0.002) return this.#leave(false);
      this.#call(chance < 0.0035 ? "die" : "work");
      if (chance > 0.95) this.#cancelOne();
    }
  }

  #call(name: string): void {
    const n = this.#next++;
    this.#count.begun++;
    // Ids and tokens are equal on every connection; strings and numbers that look alike are in use at once.
    const id = n % 2 === 0 ? n / 2 : String((n - 1) / 2);
    const token = n % 2 === 0 ? String(n / 2) : (n - 1) / 2;
    const secret = `secret-${this.#tag}-${n}`;
    this.#calls.set(id, { secret, token, cancelled: false });
    const args = { secret, steps: Math.floor(this.#random() * 3), ms: Math.floor(this.#random() * 12) };
    this.#send({
      id,
      method: "tools/call",
      params: { name, arguments: args, _meta: { progressToken: token } },
    });
  }

  #cancelOne(): void {
    const open = [...this.#calls].filter(([, call]) => !call.cancelled);
    const [id, call] = open[Math.floor(this.#random() * open.length)]!;
    call.cancelled = true;
    this.#count.cancelled++;
    this.#send({ method: "notifications/cancelled", params: { requestId: id } });
  }

  #leave(gracefully: boolean): void {
    this.#leaving = true;
    if (gracefully) this.#socket.end();
    else this.#socket.destroy();
  }
}

async function peer(guard: Listening, who: number, count: Count, random: () => number): Promise<void> {
  let fruitless = 0;
  for (let connection = 0; count.begun < CALLS; connection++) {
    count.connections++;
    const { begun } = count;
    const one = new Connection(guard.path, `${who}-${connection}`, count, random);
    await one.closed;
    fruitless = count.begun === begun ? fruitless + 1 : 0;
    if (fruitless > 100) throw new Error(`Nobody is served: ${guard.stderr().slice(-500)}`);
    await delay(5);
  }
}

const crowd = suite("a crowd on one shared server");

crowd(
  "10 000 calls with equal ids and tokens, cancels, disconnects and crashes: each peer sees only its own",
  limited(110_000, () =>
    withListener(async (guard) => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const count = { begun: 0, answered: 0, failed: 0, cancelled: 0, lost: 0, progress: 0, connections: 0 };
      try {
        const random = randomFrom(seed);
        await Promise.all(Array.from({ length: PEERS }, (_, who) => peer(guard, who, count, random)));
      } catch (error) {
        count.begun = Infinity;
        for (const socket of sockets) socket.destroy();
        if (error instanceof Error) error.message += ` (seed ${seed})`;
        throw error;
      }
      const said = JSON.stringify({ seed, ...count });
      assert.ok(count.begun >= CALLS, said);
      // Every call had exactly one end.
      assert.is(count.answered + count.failed + count.cancelled + count.lost, count.begun, said);
      for (const happened of [count.failed, count.cancelled, count.lost, count.progress]) {
        assert.ok(happened > 0, `nothing of one kind happened: ${said}`);
      }
      assert.ok(count.answered > CALLS / 2, said);
      const exits = guard.records().filter((it) =>
        it["type"] === "upstream-exit" && it["session"] === undefined
      );
      assert.ok(exits.length > 0, "the server was to crash");
      await verifyUnaltered(guard.audit);
    }, { policy: POLICY, server: () => [NODE, fixture("crowd.mjs")] })),
);

crowd.run();
