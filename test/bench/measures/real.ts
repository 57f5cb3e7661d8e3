/** Calls of real servers from npm, which cost what servers cost. */
import type { Measure } from "../measure.ts";
import { timeOf } from "../process-costs.ts";
import { type Row, rowsOf } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { SERVERS, type Subject } from "../subjects.ts";
import { withConnections } from "../with-connections.ts";

export const real: Measure = {
  name: "real",
  summary: "calls of server-everything and server-filesystem",
  places: ["one core", "free"],
  async run(conditions): Promise<Row[]> {
    const { bench, quick, place } = conditions;
    const servers = [
      ["server-everything", SERVERS.everything, "echo", { message: "hello" }],
      ["server-filesystem", [...SERVERS.filesystem, bench.project], "read_text_file", { path: bench.note }],
    ] as const;
    const count = quick ? 200 : 400;
    const rows: Row[] = [];
    for (const [title, server, tool, args] of servers) {
      // Rules for `under` speak of `path`, which this tool of server-everything does not have.
      const subjects = conditions.subjects.filter(({ name }) => tool !== "echo" || !name.includes("under"));
      await withConnections({ ...conditions, subjects }, server, async (connections) => {
        const once = async (subject: Subject) => {
          const connection = connections.get(subject)!;
          const many = async () => {
            for (let i = 0; i < count; i++) await connection.call(tool, args);
          };
          return await timeOf(place, connection.pid, many) * 1000 / count;
        };
        for (const subject of subjects) await once(subject);
        rows.push(
          ...rowsOf(`a call of ${title}`, place, "µs", await interleave(subjects, quick ? 2 : 5, once)),
        );
      });
    }
    return rows;
  },
};
