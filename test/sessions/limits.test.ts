/** How sessions end by `session:` of the policy: when, with which reason, and who is told. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, waitUntil } from "../harness.ts";
import { setTimeout as delay } from "node:timers/promises";
import { connectTo, open, withListener } from "./listening.ts";
import { endOf, errorOf, type PuppetGuard, textOf, withPuppet } from "./puppet.ts";

const policy = (session: string) => `version: 1\nname: puppet\nsession: ${session}\ndefault: allow\n`;

const limits = suite("session limits");

limits(
  "idle: a session that asks for nothing but pings ends, and says so",
  limited(60_000, () =>
    withPuppet({ policy: policy("{idle: 1s}") }, async (guard) => {
      const begun = performance.now();
      const pings = setInterval(
        () => guard.send({ jsonrpc: "2.0", id: Math.random() + "", method: "ping" }),
        200,
      );
      try {
        await endOf(guard);
      } finally {
        clearInterval(pings);
      }
      assert.ok(performance.now() - begun > 900);
      assert.equal(endReasons(guard), ["idle"]);
      assert.is(recordsOf(guard, "upstream-exit")[0]?.["cause"], "idle");
    })),
);

limits(
  "idle: every request and every answer begins the wait anew, and a call that is worked on is no idleness",
  limited(60_000, () =>
    withPuppet({ policy: policy("{idle: 2s}") }, async (guard) => {
      for (let i = 0; i < 4; i++) {
        await delay(800);
        assert.is(textOf(await guard.call("echo", { i })), JSON.stringify({ i }));
      }
      assert.is(textOf(await guard.call("wait", { ms: 3500 })), "waited");
      await delay(1000);
      assert.is(textOf(await guard.call("echo", {})), "{}");
      await endOf(guard);
      assert.equal(endReasons(guard), ["idle"]);
    })),
);

limits(
  "max_age: the session ends in the middle of a call, which is told why at once",
  limited(60_000, () =>
    withPuppet({ policy: policy("{max_age: 1500ms}") }, async (guard) => {
      const error = errorOf(await guard.call("hold"));
      assert.is(error.code, 1003);
      assert.match(error.message, /greatest age/);
      await endOf(guard);
      assert.equal(endReasons(guard), ["max-age"]);
      const results = guard.audit().filter((it) => it["type"] === "result" && it["name"] === "hold");
      assert.equal(results.map((it) => it["outcome"]), ["session-over"]);
    })),
);

limits(
  "max_age: what is asked while the server is being stopped is refused and never reaches it",
  limited(
    60_000,
    () =>
      withPuppet({ policy: policy("{max_age: 1200ms}") + "server: {stop: {grace: 3s}}\n" }, async (guard) => {
        guard.send({
          jsonrpc: "2.0",
          id: "w",
          method: "tools/call",
          params: { name: "wait", arguments: { ms: 3000 } },
        });
        assert.is(errorOf(await guard.receive((it) => it["id"] === "w")).code, 1003);
        const late = errorOf(await guard.call("echo", { late: true }));
        assert.is(late.code, 1003);
        assert.match(late.message, /greatest age .*\(mcp-guard /);
        await endOf(guard);
        assert.not.match(guard.received().join("\n"), /late/);
      }),
  ),
);

limits(
  "max_calls: calls within the limit are answered, the one beyond it is refused, then the session ends",
  limited(60_000, () =>
    withPuppet({ policy: policy("{max_calls: 3}") }, async (guard) => {
      assert.is(textOf(await guard.call("echo", { n: 1 })), '{"n":1}');
      // Lists and refused calls are not counted.
      await guard.request("tools/list");
      assert.is((await guard.call("no-such-tool"))["error"], undefined);
      const inFlight = [guard.call("wait", { ms: 500 }), guard.call("wait", { ms: 500 })];
      const refused = errorOf(await guard.call("echo", { n: 4 }));
      assert.is(refused.code, 1003);
      assert.match(refused.message, /as many calls as it may/);
      assert.equal((await Promise.all(inFlight)).map(textOf), ["waited", "waited"]);
      await endOf(guard);
      assert.equal(endReasons(guard), ["max-calls"]);
      assert.is(guard.received().filter((line) => line.includes('"tools/call"')).length, 3);
    })),
);

limits(
  "max_sessions: counted over all doors; whoever comes too late costs no server, and a seat is free again",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [one, other] = guard.paths as [string, string];
      const first = await open(one);
      const second = await open(other);
      const third = await connectTo(one);
      await third.closed;
      assert.equal(third.lines, []);
      const refusals = () => guard.records().filter((it) => it["type"] === "peer-refused");
      await waitUntil(() => refusals().length > 0);
      assert.equal(refusals().map((it) => (it["detail"] as { reasons: unknown }).reasons), [[
        "too-many-sessions",
      ]]);
      first.socket.destroy();
      await waitUntil(() => guard.records().some((it) => it["type"] === "session-end"));
      const fourth = await open(other);
      assert.equal((await fourth.request(1, "ping"))["result"], {});
      for (const peer of [second, fourth]) peer.socket.destroy();
    }, { policy: policy("{max_sessions: 2}"), sockets: ["a/s.sock", "b/s.sock"] })),
);

function recordsOf(guard: PuppetGuard, type: string) {
  return guard.audit().filter((it) => it["type"] === type).map((it) =>
    it["detail"] as Record<string, unknown>
  );
}

function endReasons(guard: PuppetGuard) {
  return recordsOf(guard, "session-end").map((it) => it["reason"]);
}

limits.run();
