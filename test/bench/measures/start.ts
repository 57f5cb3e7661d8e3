/** From the start of the process to the first answer to `tools/list`, the handshake included. */
import type { Measure } from "../measure.ts";
import { type Row, rowsOf } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { SERVERS, type Subject } from "../subjects.ts";

export const start: Measure = {
  name: "start",
  summary: "start to the first tools/list",
  places: ["one core", "free"],
  async run({ bench, quick, place, subjects }): Promise<Row[]> {
    const rows: Row[] = [];
    for (
      const [title, server] of [["tiny server", SERVERS.tiny], [
        "server-everything",
        SERVERS.everything,
      ]] as const
    ) {
      const once = async (subject: Subject) => {
        const begun = performance.now();
        const connection = bench.start(subject, server);
        await connection.initialize();
        await connection.request("tools/list");
        const taken = performance.now() - begun;
        await connection.close();
        return taken;
      };
      for (const subject of subjects) await once(subject); // files into the page cache, digests into ours
      const values = await interleave(subjects, quick ? 4 : server === SERVERS.tiny ? 8 : 4, once);
      rows.push(...rowsOf(`start to tools/list, ${title}`, place, "ms", values));
    }
    return rows;
  },
};
