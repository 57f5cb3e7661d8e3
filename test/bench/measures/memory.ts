/** Memory of the guard's process: idle, and after many calls. */
import { setTimeout as delay } from "node:timers/promises";
import type { Measure } from "../measure.ts";
import { echoCall } from "../messages.ts";
import { type Memory, memoryOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { fixture, SERVERS, type Subject } from "../subjects.ts";

const IDLE_MS = 1_000;

export const memory: Measure = {
  name: "memory",
  summary: "memory idle, and after 100,000 calls",
  places: ["free"],
  async run({ bench, quick, subjects }): Promise<Row[]> {
    const idle = new Map<Subject, Memory[]>();
    const growth = new Map<Subject, number[]>();
    // `direct` is replaced by an empty node: the server's own memory is nobody's measure.
    for (const subject of [EMPTY, ...subjects.filter((it) => it.name !== "direct")]) {
      for (let life = 0; life < (quick ? 1 : 3); life++) {
        const connection = bench.start(subject, SERVERS.tiny);
        try {
          if (subject !== EMPTY) {
            await connection.initialize();
            await connection.request("tools/list");
          }
          await delay(IDLE_MS);
          push(idle, subject, memoryOf(connection.pid));
          if (subject === EMPTY || (quick && !subject.guard)) continue;
          const call = echoCall(bench.note, 200);
          await connection.burst(call, 1_000, 16);
          await delay(IDLE_MS);
          const before = memoryOf(connection.pid);
          await connection.burst(call, 99_000, 16);
          await delay(IDLE_MS);
          push(growth, subject, memoryOf(connection.pid).ownMB - before.ownMB);
        } finally {
          await connection.close();
        }
      }
    }
    const only = (pick: (memory: Memory) => number) =>
      new Map([...idle].map(([subject, values]) => [subject, values.map(pick)] as const));
    return [
      ...rowsOf("idle memory, RSS", "", "MB", only((it) => it.rssMB)),
      ...rowsOf("idle memory, own", "", "MB", only((it) => it.ownMB)),
      ...rowsOf("memory after 100,000 calls, against 1,000", "", "MB", growth),
    ];
  },
};

const EMPTY: Subject = {
  name: "empty node",
  guard: false,
  command: () => [process.execPath, fixture("idle.mjs")],
};

function push<T>(map: Map<Subject, T[]>, subject: Subject, value: T): void {
  map.set(subject, [...map.get(subject) ?? [], value]);
}
