/** What goes into the log is counted, and goes in as before. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CountedLog, DURATION_BOUNDS } from "../../sidecar/audit/counted-log.ts";
import { openAuditLog } from "../../sidecar/audit/open-audit-log.ts";
import type { ResultEvent } from "../../sidecar/audit/audit-log.ts";
import { throws, withTempDir } from "../harness.ts";
import { decision, identity, logOptions, ShortDisk } from "./support.ts";

function withCounted(use: (log: CountedLog, disk: ShortDisk) => void): Promise<void> {
  return withTempDir((folder) => {
    const disk = new ShortDisk();
    const log = new CountedLog(openAuditLog(logOptions(join(folder, "a.jsonl"), { open: disk.open })).log);
    log.identify("s1", identity);
    use(log, disk);
    disk.room = undefined;
    log.close("signal");
  });
}

function result(durationMs: number, outcome: ResultEvent["outcome"] = "ok"): ResultEvent {
  return {
    type: "result",
    session: "s1",
    direction: "fromPeer",
    method: "tools/call",
    outcome,
    durationMs,
    bytes: 1,
  };
}

const counted = suite("CountedLog");

counted("decisions by what became of them", () =>
  withCounted((log) => {
    log.append(decision());
    log.append(decision({ effect: "deny" }));
    log.append(decision({ effect: "deny" }));
    log.append(decision({ effect: "deny", observed: true }));
    assert.equal(log.counts.decisions, { allowed: 1, denied: 2, observed: 1 });
  }));

counted("an answer belongs to the first bound that it does not exceed", () =>
  withCounted((log) => {
    for (const ms of [0, 1, 1.5, 60_000, 60_001]) log.append(result(ms));
    log.append(result(2, "cancelled"));
    const { durations, results, durationMs } = log.counts;
    assert.is(durations.length, DURATION_BOUNDS.length + 1);
    assert.equal([durations[0], durations[1], durations.at(-2), durations.at(-1)], [2, 2, 1, 1]);
    assert.equal([...results], [["ok", 5], ["cancelled", 1]]);
    assert.is(durationMs, 120_005.5);
  }));

counted("refused peers by code; of a flood, those that have no record, too", () =>
  withCounted((log) => {
    log.append({ type: "peer-refused", detail: { code: "ERR_PEER_REFUSED" } });
    log.append({ type: "peer-refused", detail: { code: "ERR_PEER_REFUSED", unrecorded: 7 } });
    assert.equal([...log.counts.refused], [["ERR_PEER_REFUSED", 2]]);
    assert.is(log.counts.unrecorded, 7);
    assert.is(log.counts.events.get("peer-refused"), 2);
  }));

counted("a disk that is full is counted, and told as before", () =>
  withCounted((log, disk) => {
    disk.room = 0;
    log.append(decision());
    throws(() => log.flush(), { code: "ERR_AUDIT_UNWRITABLE" });
    assert.is(log.counts.failures, 1);
    disk.room = undefined;
    log.append(decision());
    log.flush();
    assert.is(log.counts.failures, 1);
  }));

counted.run();
