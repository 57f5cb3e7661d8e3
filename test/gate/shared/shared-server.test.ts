/** The life of a shared server's process: when it is started, and when again. */
import { setImmediate } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SharedServer } from "../../../sidecar/gate/shared/shared-server.ts";
import { FakeUpstream } from "../../fakes/upstream.ts";
import { limited, rejects } from "../../harness.ts";

const MEMBER = { principal: () => "spiffe://localhost/uid-0/test" };

function openServer() {
  const processes: FakeUpstream[] = [];
  const records: unknown[] = [];
  const failures: Error[] = [];
  const server = new SharedServer({
    launch: async () => {
      await setImmediate();
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
      processes.push(new FakeUpstream());
      return processes.at(-1)!;
    },
    longestLine: 1000,
    record: (type, detail) => records.push([type, detail]),
  });
  return { server, processes, records, failures };
}

const it = suite("SharedServer");

it(
  "starts one process for sessions that come at once, and keeps it when the last one leaves",
  limited(5_000, async () => {
    const { server, processes } = openServer();
    const shares = await Promise.all([server.join(MEMBER), server.join(MEMBER), server.join(MEMBER)]);
    assert.is(processes.length, 1);
    for (const share of shares) await share.stop("peer-gone");
    await server.join(MEMBER);
    assert.is(processes.length, 1);
    assert.equal(processes[0]!.stops, []);
  }),
);

it(
  "starts another for who comes after it ended, and records the end",
  limited(5_000, async () => {
    const { server, processes, records } = openServer();
    const first = await server.join(MEMBER);
    processes[0]!.exit(3);
    assert.equal(await first.exited, { code: 3, signal: undefined, cause: undefined });
    await Promise.all([server.join(MEMBER), server.join(MEMBER)]);
    assert.is(processes.length, 2);
    assert.equal(records, [["upstream-exit", {
      shared: true,
      pid: 4242,
      code: 3,
      signal: null,
      cause: null,
    }]]);
  }),
);

it(
  "never runs two at once: who comes waits until the old one is gone",
  limited(5_000, async () => {
    const { server, processes } = openServer();
    const first = await server.join(MEMBER);
    // It closes its output and lives on.
    processes[0]!.output.events?.end();
    const next = server.join(MEMBER);
    await setImmediate();
    await setImmediate();
    assert.is(processes.length, 1);
    processes[0]!.exit(0);
    await first.exited;
    await next;
    assert.is(processes.length, 2);
  }),
);

it(
  "a launch that fails is told to all who wait for it, and tried again for the next",
  limited(5_000, async () => {
    const { server, processes, failures } = openServer();
    failures.push(Object.assign(new Error("no"), { code: "ERR_UPSTREAM_LAUNCH" }));
    const waiting = [server.join(MEMBER), server.join(MEMBER)];
    for (const one of waiting) await rejects(one, { code: "ERR_UPSTREAM_LAUNCH" });
    await server.join(MEMBER);
    assert.is(processes.length, 1);
  }),
);

it(
  "once it is stopped nothing is started any more",
  limited(5_000, async () => {
    const { server, processes } = openServer();
    const starting = server.join(MEMBER);
    const stopped = server.stop("signal");
    await rejects(starting, { code: "ERR_UPSTREAM_LAUNCH" });
    await setImmediate();
    assert.equal(processes[0]!.stops, ["signal"]);
    processes[0]!.exit(0);
    await stopped;
    await rejects(server.join(MEMBER), { code: "ERR_UPSTREAM_LAUNCH" });
    assert.is(processes.length, 1);
  }),
);

it(
  "lines that are for nobody get a record each up to twenty, and are counted",
  limited(5_000, async () => {
    const { server, processes, records } = openServer();
    await server.join(MEMBER);
    for (let i = 0; i < 50; i++) processes[0]!.utter("not json\n");
    assert.is(records.length, 20);
    processes[0]!.exit(0);
    await setImmediate();
    await setImmediate();
    assert.is((records.at(-1) as [string, { noise: number }])[1].noise, 50);
  }),
);

it.run();
