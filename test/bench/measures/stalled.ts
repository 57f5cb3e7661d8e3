/** Memory of what stands between while one side does not read: it must stay flat, and the session must live on. */
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../client.ts";
import type { Measure } from "../measure.ts";
import { type CallTemplate, echoCall } from "../messages.ts";
import { memoryOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { SERVERS, type Subject } from "../subjects.ts";

export const stalled: Measure = {
  name: "stalled",
  summary: "memory while a client does not read",
  places: ["free"],
  async run({ bench, quick, subjects }): Promise<Row[]> {
    const call = echoCall(bench.note, 200);
    const between = subjects.filter((subject) => subject.name !== "direct");
    const growth = async (stall: (connection: Connection, ms: number) => Promise<number>) => {
      const values = new Map<Subject, number[]>();
      for (const subject of between) {
        const connection = bench.start(subject, SERVERS.tiny);
        try {
          await connection.initialize();
          await connection.request("tools/list");
          await connection.burst(call, 5_000, 16);
          values.set(subject, [await stall(connection, quick ? 2_000 : 5_000)]);
        } finally {
          await connection.close();
        }
      }
      return values;
    };
    const flooded = await growth(serverFloods);
    const flooding = await growth((connection, ms) => clientFloods(connection, call, ms));
    return [
      ...rowsOf("memory, server floods a client that does not read", "", "MB", flooded),
      ...rowsOf("memory, client floods and does not read", "", "MB", flooding),
    ];
  },
};

async function serverFloods(connection: Connection, ms: number): Promise<number> {
  await connection.call("flood", { on: true });
  connection.stdout.pause();
  const grown = await growthDuring(connection, ms, () => {});
  connection.stdout.resume();
  // What was held back comes first; then the session must go on as if nothing had been.
  await connection.call("flood", { on: false });
  return grown;
}

async function clientFloods(connection: Connection, call: CallTemplate, ms: number): Promise<number> {
  connection.stdout.pause();
  const { stdin } = connection;
  const flood = () => {
    // Our own back-pressure: what is measured is the process between, not this one.
    while (!stdin.writableNeedDrain) stdin.write(call.take(64));
  };
  const grown = await growthDuring(connection, ms, flood);
  connection.stdout.resume();
  await connection.call("echo", { path: "/", text: "still there" }).catch((error: unknown) => {
    // A refusal is an answer as well.
    if (!String(error).includes("Refused")) throw error;
  });
  return grown;
}

/** @returns The most that its own memory grew, in MB. */
async function growthDuring(connection: Connection, ms: number, act: () => void): Promise<number> {
  const before = memoryOf(connection.pid).ownMB;
  let most = before;
  for (const until = performance.now() + ms; performance.now() < until; await delay(20)) {
    act();
    most = Math.max(most, memoryOf(connection.pid).ownMB);
  }
  return most - before;
}
