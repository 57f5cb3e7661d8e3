/** The first call waits until its caller is measured: what that costs before and after the digests are known. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { Measure } from "../measure.ts";
import { type Row, rowsOf } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { SERVERS, type Subject } from "../subjects.ts";

export const firstCall: Measure = {
  name: "first-call",
  summary: "start to the first answered tool call, digests cold and cached",
  places: ["one core", "free"],
  async run({ bench, quick, place, subjects }): Promise<Row[]> {
    const once = (cold: boolean) => async (subject: Subject) => {
      const runtimeFolder = cold ? mkdtempSync(join(bench.folder, "cold-")) : undefined;
      const begun = performance.now();
      const connection = bench.start(subject, SERVERS.tiny, runtimeFolder);
      await connection.initialize();
      await connection.request("tools/list");
      await connection.call("echo", { path: bench.note, text: "hello" });
      const taken = performance.now() - begun;
      await connection.close();
      return taken;
    };
    const rows: Row[] = [];
    for (const [title, cold] of [["cached", false], ["cold", true]] as const) {
      for (const subject of subjects) await once(false)(subject);
      const values = await interleave(subjects, quick ? 2 : 5, once(cold));
      rows.push(...rowsOf(`start to the first call, digests ${title}`, place, "ms", values));
    }
    return rows;
  },
};
