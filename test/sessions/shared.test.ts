/** `session: {children: shared}`: one server for several peers, none of whom notices the others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { descendantsOf, isAlive } from "./processes.ts";
import { type Listening, open, serversOf, withListener } from "./listening.ts";
import { errorOf, textOf } from "./puppet.ts";

const POLICY = "version: 1\nname: puppet\nsession: {children: shared}\ndefault: allow\n";

const shared = suite("children: shared");

/** What reached the server so far, as messages. */
function received(guard: Listening): JsonRpc[] {
  const text = readFileSync(join(guard.folder, "received"), "utf8");
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line) as JsonRpc
  );
}

shared(
  "one process, one initialize, one initialized; each peer hears its own answers under its own ids",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peers = await Promise.all([open(guard.path), open(guard.path), open(guard.path)]);
      assert.is(serversOf(guard).length, 1);
      await Promise.all(peers.flatMap((peer, who) =>
        Array.from({ length: 50 }, async (_, index) => {
          const id = index % 2 === 0 ? index + 1 : `${index + 1}`;
          const answer = await peer.call(id, "echo", { text: `${who}-${index}` });
          assert.is(textOf(answer), JSON.stringify({ text: `${who}-${index}` }));
        })
      ));
      const methods = received(guard).map((it) => it["method"]);
      for (const once of ["initialize", "notifications/initialized"]) {
        assert.is(methods.filter((it) => it === once).length, 1, once);
      }
      for (const { socket } of peers) socket.destroy();
    }, { policy: POLICY })),
);

shared(
  "a peer that leaves has its calls cancelled, and the others and the server go on",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [stays, leaves] = [await open(guard.path), await open(guard.path)];
      for (const [who, { send }] of [stays, leaves].entries()) {
        send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold", arguments: { who } } });
      }
      const held = () => received(guard).filter((it) => JSON.stringify(it).includes('"hold"'));
      await waitUntil(() => held().length === 2);
      const first = received(guard).length;
      leaves.socket.destroy();
      await waitUntil(() => received(guard).length > first);
      const [cancelled] = received(guard).slice(first) as { method: string; params: { requestId: number } }[];
      assert.is(cancelled!.method, "notifications/cancelled");
      const left = held().find((it) => JSON.stringify(it).includes('{"who":1}'));
      assert.is(cancelled!.params.requestId, left!["id"]);
      assert.is(textOf(await stays.call(2, "echo", { still: "here" })), '{"still":"here"}');
      stays.socket.destroy();
      await waitUntil(() => details(guard, "session-end").length === 2);
      assert.equal(details(guard, "upstream-left").map((it) => it["cause"]), ["peer-gone", "peer-gone"]);
      // What it keeps in memory is why it is shared.
      assert.is(serversOf(guard).length, 1);
      const next = await open(guard.path);
      assert.is(textOf(await next.call(1, "echo", { n: 1 })), '{"n":1}');
      assert.is(serversOf(guard).length, 1);
      next.socket.destroy();
    }, { policy: POLICY })),
);

shared(
  "a crash is told to each pending request under its own id; the next peer gets a new server, and nothing is replayed",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peers = [await open(guard.path), await open(guard.path)];
      const [before] = serversOf(guard);
      for (const { send } of peers) {
        send({ jsonrpc: "2.0", id: "same", method: "tools/call", params: { name: "hold", arguments: {} } });
      }
      await waitUntil(() =>
        received(guard).filter((it) => JSON.stringify(it).includes('"hold"')).length === 2
      );
      peers[0]!.send({
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: "exit", arguments: { code: 3 } },
      });
      for (const { receive } of peers) {
        const error = errorOf(await receive((it) => it["id"] === "same"));
        assert.is(error.code, 1005);
      }
      await waitUntil(() => details(guard, "session-end").length === 2);
      assert.equal(details(guard, "session-end").map((it) => it["reason"]), [
        "upstream-gone",
        "upstream-gone",
      ]);
      const exits = () =>
        guard.records().filter((it) => it["type"] === "upstream-exit" && it["session"] === undefined);
      await waitUntil(() => exits().length > 0);
      assert.equal(exits().map((it) => (it["detail"] as JsonRpc)["code"]), [3]);
      const next = await open(guard.path);
      assert.not.equal(serversOf(guard), [before]);
      assert.is(textOf(await next.call(1, "echo", { n: 1 })), '{"n":1}');
      const calls = received(guard).filter((it) => JSON.stringify(it).includes('"hold"'));
      assert.is(calls.length, 2);
      next.socket.destroy();
    }, { policy: POLICY })),
);

shared(
  "a session that comes to a limit ends alone",
  limited(60_000, () =>
    withListener(async (guard) => {
      const first = await open(guard.path);
      assert.is(textOf(await first.call(1, "echo", { n: 1 })), '{"n":1}');
      assert.is(errorOf(await first.call(2, "echo", { n: 2 })).code, 1003);
      await first.closed;
      assert.equal(details(guard, "session-end").map((it) => it["reason"]), ["max-calls"]);
      const second = await open(guard.path);
      assert.is(textOf(await second.call(1, "echo", { n: 3 })), '{"n":3}');
      assert.is(received(guard).filter((it) => it["method"] === "initialize").length, 1);
      second.socket.destroy();
    }, { policy: POLICY.replace("{children: shared}", "{children: shared, max_calls: 1}") })),
);

shared(
  "a peer that does not read ends alone, and the others never wait for it",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [slow, other] = [await open(guard.path), await open(guard.path)];
      slow.socket.pause();
      // In one read, so that all are asked before any is answered.
      slow.send(
        Array.from({ length: 24 }, (_, id) =>
          JSON.stringify({
            jsonrpc: "2.0",
            id: id + 1,
            method: "tools/call",
            params: { name: "fill", arguments: { mebibytes: 1 } },
          })).join("\n"),
      );
      for (let i = 1; i <= 20; i++) {
        const begun = performance.now();
        assert.is(textOf(await other.call(i, "echo", { i })), JSON.stringify({ i }));
        assert.ok(performance.now() - begun < 5_000);
      }
      await waitUntil(() => details(guard, "session-end").length === 1);
      assert.equal(details(guard, "session-end").map((it) => it["reason"]), ["peer-slow"]);
      assert.equal(details(guard, "upstream-left").map((it) => it["cause"]), ["peer-slow"]);
      other.socket.destroy();
      slow.socket.destroy();
    }, { policy: POLICY })),
);

shared(
  "a signal ends all sessions and the server",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peers = [await open(guard.path), await open(guard.path)];
      const all = descendantsOf(guard.pid);
      process.kill(guard.pid, "SIGTERM");
      assert.is(await guard.exit, 0);
      await waitUntil(() => !all.some(isAlive), 5_000);
      await verifyUnaltered(guard.audit);
      for (const { socket } of peers) socket.destroy();
    }, { policy: POLICY })),
);

function details(guard: Listening, type: string): JsonRpc[] {
  return guard.records().filter((it) => it["type"] === type && it["session"] !== undefined).map((it) =>
    it["detail"] as JsonRpc
  );
}

shared.run();
