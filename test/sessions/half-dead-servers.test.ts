/** Servers that live on and are of no use any more, and what a process started anew must not hear. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, skipUnless, waitUntil, withGuard, withTempDir } from "../harness.ts";
import { descendantsOf, isAlive } from "./processes.ts";
import { endOf, errorOf, fixture, NODE } from "./puppet.ts";

const it = suite("half-dead servers");
const byId = (id: unknown) => (message: JsonRpc) => message["id"] === id && !("method" in message);
const call = (id: number) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "echo" } });

for (const end of ["input", "output"]) {
  it(
    `a server that closes its ${end} and lives on is stopped, and every call is answered`,
    limited(40_000, () => {
      // Deno leaves a child further copies of its own ends: what it closes stays open.
      if (skipUnless(!("Deno" in globalThis), "a child of Deno's cannot close its ends")) return;
      return withGuard({ server: [NODE, fixture("closes-an-end.mjs"), end] }, async (guard) => {
        await guard.initialize();
        const processes = descendantsOf(guard.pid);
        for (const id of [11, 12, 13]) {
          guard.send(call(id));
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        for (const id of [11, 12, 13]) assert.is(errorOf(await guard.receive(byId(id), 15_000)).code, 1005);
        await endOf(guard);
        await waitUntil(() => !processes.some(isAlive), 5_000);
        const ends = guard.audit().filter((record) => record["type"] === "session-end");
        assert.equal(ends.map((record) => (record["detail"] as JsonRpc)["reason"]), ["server-closed"]);
      });
    }),
  );
}

it(
  "what the peer answers to a process that died is not told to the one after it",
  limited(40_000, () =>
    withTempDir((folder) => {
      const heard = join(folder, "heard");
      const server = [NODE, fixture("asks-then-dies.mjs"), join(folder, "marker"), heard];
      return withGuard({ server }, async (guard) => {
        const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
        const asked = (message: JsonRpc) => message["method"] === "roots/list";
        await guard.receive(asked);
        guard.send({ jsonrpc: "2.0", id: "probe", method: "server/discover", params: { _meta: meta } });
        await guard.receive(byId("probe"));
        guard.send({ jsonrpc: "2.0", id: 1, result: { roots: [{ uri: "file:///old" }] } });
        await guard.initialize();
        await guard.receive(asked);
        guard.send({ jsonrpc: "2.0", id: 1, result: { roots: [{ uri: "file:///new" }] } });
        await waitUntil(() => existsSync(heard));
        await guard.request("ping");
        assert.equal(JSON.parse(readFileSync(heard, "utf8")).result, { roots: [{ uri: "file:///new" }] });
      });
    })),
);

it(
  "a signal in the guard's first moments ends the server too",
  limited(60_000, async () => {
    for (const wait of [40, 80, 120]) {
      await withGuard({ server: [NODE, fixture("ignores-eof.mjs")] }, async (guard) => {
        await new Promise((resolve) => setTimeout(resolve, wait));
        const processes = descendantsOf(guard.pid);
        guard.kill("SIGTERM");
        await endOf(guard);
        await waitUntil(() => !processes.some(isAlive), 8_000);
      });
    }
  }),
);

it.run();
