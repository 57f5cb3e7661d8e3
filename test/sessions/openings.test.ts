/** How a session opens, line by line: probes that nobody answers, and clients that do not wait. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GuardProcess, type JsonRpc, limited, waitUntil, withGuard } from "../harness.ts";
import { endOf, errorOf, fixture, NODE } from "./puppet.ts";

const byId = (id: unknown) => (message: JsonRpc) => message["id"] === id;
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};
const PROBE = { jsonrpc: "2.0", id: "probe-1", method: "server/discover", params: { _meta: META } };
const INITIALIZE = {
  jsonrpc: "2.0",
  id: "init-1",
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "0" } },
};

const starts = (guard: GuardProcess) => guard.audit().filter((it) => it["type"] === "upstream-start").length;

const it = suite("openings");

it(
  "a server that ignores the probe: declined after two seconds, kept, and its late answer dropped",
  limited(
    30_000,
    () =>
      withGuard({ server: [NODE, fixture("ignores-discover.mjs"), "3500"] }, async (guard) => {
        guard.send(PROBE);
        const began = performance.now();
        const declined = await guard.receive(byId("probe-1"));
        const took = performance.now() - began;
        assert.is(errorOf(declined).code, -32601);
        assert.ok(took > 1_900 && took < 5_000, `after ${Math.round(took)} ms`);
        await guard.initialize();
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        await guard.request("ping");
        assert.is(guard.lines.filter((line) => line.includes("probe-1")).length, 1);
        assert.is(starts(guard), 1);
      }),
  ),
);

for (const wait of [0, 100]) {
  it(
    `a client that sends 'initialize' ${wait} ms behind the probe: both are answered, once, by one server`,
    limited(
      30_000,
      () =>
        withGuard({ server: [NODE, fixture("ignores-discover.mjs"), "500"] }, async (guard) => {
          guard.send(PROBE);
          await new Promise((resolve) => setTimeout(resolve, wait));
          guard.send(INITIALIZE);
          assert.is(errorOf(await guard.receive(byId("probe-1"))).code, -32601);
          assert.ok("result" in await guard.receive(byId("init-1")));
          await new Promise((resolve) => setTimeout(resolve, 800));
          await guard.request("tools/call", { name: "echo" });
          for (const id of ["probe-1", "init-1"]) {
            assert.is(guard.lines.filter((line) => line.includes(id)).length, 1, guard.lines.join("\n"));
          }
          assert.is(starts(guard), 1);
        }),
    ),
  );
}

it(
  "a server that answers the probe itself: its own answer comes, and 'initialize' goes on",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("echo.mjs")] }, async (guard) => {
      guard.send(PROBE);
      assert.equal(await guard.receive(byId("probe-1")), {
        jsonrpc: "2.0",
        id: "probe-1",
        error: { code: -32601, message: "Method not found" },
      });
      guard.send(INITIALIZE);
      assert.ok("result" in await guard.receive(byId("init-1")));
    })),
);

it(
  "a server that dies on the probe is started once more, and 'initialize' reaches the new one",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("dies-on-discover.mjs")] }, async (guard) => {
      guard.send(PROBE);
      assert.is(errorOf(await guard.receive(byId("probe-1"))).code, -32601);
      guard.send(INITIALIZE);
      assert.ok("result" in await guard.receive(byId("init-1")));
      assert.ok("result" in await guard.request("tools/call", { name: "echo" }));
      await waitUntil(() => starts(guard) === 2);
      assert.is(guard.audit().filter((it) => it["type"] === "upstream-respawn").length, 1);
      guard.end();
      assert.equal(await endOf(guard), { code: 0, signal: null });
    })),
);

it(
  "a server that dies on the probe, under a client that does not wait",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("dies-on-discover.mjs")] }, async (guard) => {
      guard.send(PROBE);
      guard.send(INITIALIZE);
      assert.is(errorOf(await guard.receive(byId("probe-1"))).code, -32601);
      assert.ok("result" in await guard.receive(byId("init-1")));
      assert.is(guard.lines.filter((line) => line.includes("init-1")).length, 1);
    })),
);

it(
  "a server that never answers anything is not started again and again",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("silent.mjs")] }, async (guard) => {
      guard.send(PROBE);
      assert.is(errorOf(await guard.receive(byId("probe-1"))).code, -32601);
      guard.send(INITIALIZE);
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      assert.ok(starts(guard) <= 2, `started ${starts(guard)} times`);
      guard.end();
      await endOf(guard);
    })),
);

it.run();
