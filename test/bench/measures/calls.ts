/** Small calls: the round trip alone, many at once, and what the guard itself spends on them. */
import type { Place } from "../affinity.ts";
import type { Connection } from "../client.ts";
import type { Measure } from "../measure.ts";
import { type CallTemplate, echoCall, ping } from "../messages.ts";
import { cpuMs, timeOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { SERVERS, type Subject } from "../subjects.ts";
import { withConnections } from "../with-connections.ts";

const MESSAGE_BYTES = 200;

interface Load {
  readonly title: string;
  readonly cpuTitle: string;
  readonly inFlight: number;
  readonly template: CallTemplate;
  /** Calls in one turn. */
  readonly count: number;
  /** One call alone is told as its time, many as their rate. */
  readonly unit: "µs" | "1/s";
}

interface Taken {
  readonly times: Map<Subject, number[]>;
  readonly cpu: Map<Subject, number[]>;
}

export const calls: Measure = {
  name: "calls",
  summary: "small calls: round trip, calls per second, the guard's own CPU",
  places: ["one core", "free"],
  async run(conditions): Promise<Row[]> {
    const { bench, quick, place } = conditions;
    const loads = loadsFor(bench.note, quick ? 0.5 : 1);
    const taken = new Map<Load, Taken>(loads.map((load) => [load, { times: new Map(), cpu: new Map() }]));
    // Compiled code differs from process to process, so several lives of each are looked at.
    for (let life = 0; life < (quick ? 1 : 2); life++) {
      await withConnections(conditions, SERVERS.tiny, async (connections) => {
        await warmUp(connections, loads);
        for (const [load, into] of taken) await measureLoad(place, connections, load, into);
      });
    }
    return [...taken].flatMap(([load, { times, cpu }]) => [
      ...rowsOf(load.title, place, load.unit, times),
      ...rowsOf(load.cpuTitle, place, "ms", cpu),
    ]);
  },
};

function loadsFor(path: string, size: number): Load[] {
  const call = echoCall(path, MESSAGE_BYTES);
  const many = { inFlight: 256, count: 20_000 * size, unit: "1/s" } as const;
  return [
    {
      title: "round trip, 1 in flight",
      cpuTitle: "guard's CPU per 10,000 calls, 1 in flight",
      inFlight: 1,
      template: call,
      count: 4_000 * size,
      unit: "µs",
    },
    {
      title: "calls/s, 256 in flight",
      cpuTitle: "guard's CPU per 10,000 calls, 256 in flight",
      template: call,
      ...many,
    },
    {
      title: "pings/s, 256 in flight, not audited",
      cpuTitle: "guard's CPU per 10,000 pings, 256 in flight",
      template: ping(MESSAGE_BYTES),
      ...many,
    },
  ];
}

async function warmUp(connections: ReadonlyMap<Subject, Connection>, loads: readonly Load[]): Promise<void> {
  for (const connection of connections.values()) {
    for (const { template, count, inFlight } of loads) await connection.burst(template, count, inFlight);
  }
}

async function measureLoad(
  place: Place,
  connections: ReadonlyMap<Subject, Connection>,
  { template, count, inFlight, unit }: Load,
  into: Taken,
): Promise<void> {
  const subjects = [...connections.keys()];
  const cpuTurns = new Map<Subject, number[]>(subjects.map((subject) => [subject, []]));
  const times = await interleave(subjects, 3, async (subject) => {
    const connection = connections.get(subject)!;
    const before = cpuMs(connection.pid);
    const taken = await timeOf(place, connection.pid, () => connection.burst(template, count, inFlight));
    if (subject.guard) cpuTurns.get(subject)?.push((cpuMs(connection.pid) - before) * 10_000 / count);
    return unit === "µs" ? taken * 1000 / count : count * 1000 / taken;
  });
  for (const [subject, values] of times) add(into.times, subject, values);
  for (const [subject, values] of cpuTurns) if (subject.guard) add(into.cpu, subject, values);
}

function add(map: Map<Subject, number[]>, subject: Subject, values: readonly number[]): void {
  map.set(subject, [...map.get(subject) ?? [], ...values]);
}
