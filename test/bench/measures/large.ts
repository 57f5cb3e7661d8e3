/** Messages of a mebibyte, in either direction, through a server that parses none of them. */
import type { Measure } from "../measure.ts";
import { type CallTemplate, echoCall } from "../messages.ts";
import { timeOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { SERVERS, type Subject } from "../subjects.ts";
import { withConnections } from "../with-connections.ts";

const MIB = 1024 * 1024;
/** Enough that nobody waits for the other, few enough that memory stays out of it. */
const IN_FLIGHT = 2;

export const large: Measure = {
  name: "large",
  summary: "results and arguments of 1 MiB",
  places: ["one core", "free"],
  async run(conditions): Promise<Row[]> {
    const { bench, quick, place } = conditions;
    const count = quick ? 30 : 60;
    const throughput = async (title: string, server: readonly string[], template: CallTemplate) =>
      await withConnections(conditions, server, async (connections) => {
        const once = async (subject: Subject) => {
          const connection = connections.get(subject)!;
          return count * 1000 /
            await timeOf(place, connection.pid, () => connection.burst(template, count, IN_FLIGHT));
        };
        for (const subject of connections.keys()) await once(subject);
        return rowsOf(title, place, "MiB/s", await interleave([...connections.keys()], quick ? 2 : 4, once));
      });
    return [
      ...await throughput("results of 1 MiB", [...SERVERS.raw, String(MIB)], echoCall(bench.note, 200)),
      ...await throughput("arguments of 1 MiB", SERVERS.raw, echoCall(bench.note, MIB)),
    ];
  },
};
