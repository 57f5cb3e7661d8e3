import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AuditLog } from "../../../sidecar/audit/audit-log.ts";
import { openAuditLog } from "../../../sidecar/audit/open-audit-log.ts";
import { RefusalRecords } from "../../../sidecar/gate/admission/refusal-records.ts";
import { known } from "../../../sidecar/model/evidence.ts";
import { EVIDENCE, PEER } from "../../fakes/attestation.ts";
import { type JsonRpc, withTempDir } from "../../harness.ts";

const it = suite("RefusalRecords");

function refusedAs(uid: number) {
  const evidence = { ...EVIDENCE, credentials: known({ ...PEER, uid }, "kernel") };
  const principal = { name: "x", id: `spiffe://localhost/uid-${uid}/x` };
  return {
    admitted: false,
    code: "ERR_PEER_REFUSED",
    reasons: ["agent: another digest"],
    identity: { principal, evidence },
  } as const;
}

function withRecords(
  use: (records: RefusalRecords, read: () => JsonRpc[], log: AuditLog) => void | Promise<void>,
): Promise<void> {
  return withTempDir(async (folder) => {
    const file = join(folder, "audit.jsonl");
    const { log } = openAuditLog({
      file,
      durability: "buffered",
      mandatory: true,
      serverName: "s",
      policyName: undefined,
      policyDigest: undefined,
      version: "1",
    });
    const read = () =>
      readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as JsonRpc)
        .filter((record) => record["type"] === "peer-refused");
    await use(new RefusalRecords(log), read, log);
    log.close("done");
  });
}

it("says who was refused and why, with what was known and its grades", () =>
  withRecords((records, read) => {
    const refusal = records.record(refusedAs(1001));
    const [record] = read();
    const who = record?.["who"] as JsonRpc;
    const detail = record?.["detail"] as JsonRpc;
    assert.equal([who["uid"], who["pid"]], [1001, PEER.pid]);
    assert.equal(
      (who["executable"] as JsonRpc)["sha256_grade"] ?? (who["executable"] as JsonRpc)["grade"],
      "measured",
    );
    assert.is(detail["code"], "ERR_PEER_REFUSED");
    assert.is(detail["refusal"], refusal);
    assert.match(JSON.stringify(detail["reasons"]), /another digest/);
  }));

it("writes ten a second for one account, counts the rest, and does not count others for it", () =>
  withRecords(async (records, read) => {
    const ids = Array.from({ length: 25 }, () => records.record(refusedAs(1001)));
    assert.is(ids.filter((id) => id !== undefined).length, 10);
    assert.ok(records.record(refusedAs(1002)) !== undefined);
    await delay(1050);
    records.record(refusedAs(1001));
    const all = read();
    assert.is(all.length, 12);
    const detail = all[11]?.["detail"] as JsonRpc;
    assert.is(detail["unrecorded"], 15);
  }));

it("a log that is closed by now ends nobody's refusal, nor the guard", () =>
  withRecords((records, read, log) => {
    log.close("done");
    assert.not.throws(() => records.record(refusedAs(1001)));
    assert.is(read().length, 0);
  }));

it.run();
