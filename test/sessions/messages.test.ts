/** What either side may say at all, and who gets which answer. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { errorOf, type PuppetGuard, textOf, withPuppet } from "./puppet.ts";

const ALLOW = "version: 1\nname: puppet\ndefault: allow\n";
const SAMPLING =
  '{"jsonrpc":"2.0","id":77,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}';

const byId = (id: unknown) => (message: JsonRpc) => message["id"] === id && !("method" in message);
const asMethod = (method: string) => (message: JsonRpc) => message["method"] === method;

/** Methods that reached the server, after the handshake. */
const methods = (guard: PuppetGuard) => guard.received().slice(2).map((line) => JSON.parse(line).method);
/** Answers that reached the server. */
const answers = (guard: PuppetGuard) =>
  guard.received().map((line) => JSON.parse(line)).filter((it) => "result" in it || "error" in it);

const requests = suite("requests of the client");

for (
  const { name, line } of [
    { name: "a method that nobody defined", line: { id: 1, method: "vendor/thing" } },
    { name: "a method by another spelling", line: { id: 1, method: "Tools/call", params: { name: "echo" } } },
    { name: "a notification's name with an id", line: { id: 1, method: "notifications/initialized" } },
    { name: "what only servers ask", line: { id: 1, method: "sampling/createMessage", params: {} } },
    { name: "what only the other era knows", line: { id: 1, method: "subscriptions/listen", params: {} } },
  ]
) {
  requests(
    `${name} is refused with -32601 and the server does not see it`,
    limited(30_000, () =>
      withPuppet({ policy: ALLOW }, async (guard) => {
        guard.send({ jsonrpc: "2.0", ...line });
        assert.is(errorOf(await guard.receive(byId(1))).code, -32601);
        await guard.request("ping");
        assert.equal(methods(guard), ["ping"]);
      })),
  );
}

requests(
  "a vendor's method passes where the policy lists it",
  limited(
    30_000,
    () =>
      withPuppet({ policy: `${ALLOW}methods: {allow: [vendor/thing]}\n` }, async (guard) => {
        await guard.request("vendor/thing", { a: 1 });
        assert.is(errorOf(await guard.request("vendor/other")).code, -32601);
        assert.equal(methods(guard), ["vendor/thing"]);
      }),
  ),
);

requests(
  "a method that the policy denies is refused with 1001",
  limited(
    30_000,
    () =>
      withPuppet({ policy: `${ALLOW}methods: {deny: [completion/complete, ping]}\n` }, async (guard) => {
        const ref = { type: "ref/prompt", name: "p" };
        const answer = await guard.request("completion/complete", {
          ref,
          argument: { name: "a", value: "" },
        });
        assert.is(errorOf(answer).code, 1001);
        assert.is(errorOf(await guard.request("ping")).code, 1001);
        assert.equal(methods(guard), []);
      }),
  ),
);

requests(
  "notifications that are none go nowhere",
  limited(30_000, () =>
    withPuppet({ policy: ALLOW }, async (guard) => {
      guard.send({ jsonrpc: "2.0", method: "notifications/vendor" });
      guard.send({ jsonrpc: "2.0", method: "tools/call", params: { name: "echo" } });
      guard.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
      await guard.request("ping");
      assert.equal(methods(guard), ["notifications/roots/list_changed", "ping"]);
    })),
);

requests(
  'an id that is still pending cannot be used again; 1 and "1" are two',
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
      // A first call waits until its caller is measured; what comes behind it does not.
      await waitUntil(() => methods(guard).length === 1);
      guard.send({ jsonrpc: "2.0", id: 1, method: "ping" });
      // Without the id: under it the client would take the error for the answer to its call.
      assert.is(errorOf(await guard.receive(byId(null))).code, -32600);
      guard.send({ jsonrpc: "2.0", id: "1", method: "ping" });
      assert.equal((await guard.receive(byId("1")))["result"], {});
      guard.send({ jsonrpc: "2.0", id: "1", method: "ping" });
      assert.equal((await guard.receive(byId("1")))["result"], {});
      assert.equal(methods(guard), ["tools/call", "ping", "ping"]);
    })),
);

requests(
  "a cancellation reaches the server only for what it still works on",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const cancel = (requestId: unknown) =>
        guard.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } });
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
      await waitUntil(() => methods(guard).includes("tools/call"));
      cancel("1");
      cancel(2);
      cancel(1);
      cancel(1);
      await guard.request("ping");
      assert.equal(methods(guard), ["tools/call", "notifications/cancelled", "ping"]);
      const outcome = guard.audit().find((it) => it["type"] === "result" && it["rpc_id"] === "1");
      assert.is(
        outcome?.["outcome"],
        "cancelled",
        JSON.stringify(guard.audit().map((it) => [it["type"], it["rpc_id"]])),
      );
    })),
);

requests(
  "an answer to nothing goes nowhere and is recorded",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 77, result: {} });
      guard.send({ jsonrpc: "2.0", id: 78, error: { code: 1, message: "no" } });
      await guard.request("ping");
      assert.equal(methods(guard), ["ping"]);
      const records = guard.audit().filter((it) => String(it["reason"]).endsWith(":unasked"));
      assert.is(records.length, 2);
    })),
);

requests.run();

const fromServer = suite("requests of the server");

fromServer(
  "a question of the server is answered once, and by its own id",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      await guard.call("say", { lines: [SAMPLING] });
      const asked = await guard.receive(asMethod("sampling/createMessage"));
      assert.is(asked["id"], 77);
      guard.send({ jsonrpc: "2.0", id: "77", result: { wrong: "type" } });
      guard.send({ jsonrpc: "2.0", id: 77, result: { right: true } });
      guard.send({ jsonrpc: "2.0", id: 77, result: { again: true } });
      await guard.request("ping");
      assert.equal(answers(guard), [{ jsonrpc: "2.0", id: 77, result: { right: true } }]);
    })),
);

for (
  const { name, section, params, passes } of [
    { name: "sampling", section: "sampling: deny", params: '"messages":[],"maxTokens":1', passes: false },
    {
      name: "elicitation",
      section: "elicitation: deny",
      params: '"message":"m","requestedSchema":{}',
      passes: false,
    },
    { name: "roots", section: "roots: deny", params: "", passes: false },
    { name: "sampling", section: "sampling: allow", params: '"messages":[],"maxTokens":1', passes: true },
    { name: "roots", section: "sampling: deny", params: "", passes: true },
  ] as const
) {
  const method =
    { sampling: "sampling/createMessage", elicitation: "elicitation/create", roots: "roots/list" }[name];
  fromServer(
    `with '${section}' ${name} ${passes ? "passes" : "is refused, and the client does not see it"}`,
    limited(30_000, () =>
      withPuppet({ policy: `${ALLOW}from_server: {${section}}\n` }, async (guard) => {
        const line = `{"jsonrpc":"2.0","id":5,"method":"${method}","params":{${params}}}`;
        await guard.call("say", { lines: [line] });
        assert.is(guard.lines.includes(line), passes);
        if (passes) return;
        await waitUntil(() => answers(guard).length > 0);
        assert.is(answers(guard)[0].id, 5);
        assert.is(answers(guard)[0].error.code, 1001);
        const record = guard.audit().find((it) => it["direction"] === "fromUpstream");
        assert.is(record?.["effect"], "deny");
        assert.is(record?.["name"], name);
      })),
  );
}

fromServer(
  "under 'default: deny' the server may ask nothing",
  limited(
    30_000,
    () =>
      withPuppet(
        { policy: "version: 1\nname: p\nrules: [{name: say, tools: [say], effect: allow}]\n" },
        async (guard) => {
          await guard.call("say", { lines: [SAMPLING] });
          await waitUntil(() => answers(guard).length > 0);
          assert.is(answers(guard)[0].error.code, 1001);
          assert.not.ok(guard.lines.includes(SAMPLING));
        },
      ),
  ),
);

fromServer(
  "a method that is no server's to ask is refused with -32601",
  limited(30_000, () =>
    withPuppet({ policy: ALLOW }, async (guard) => {
      const lines = ["tools/list", "vendor/thing", "initialize"].map((method, id) =>
        `{"jsonrpc":"2.0","id":${id},"method":"${method}"}`
      );
      assert.is(textOf(await guard.call("say", { lines })), "said");
      await waitUntil(() => answers(guard).length === 3);
      assert.equal(answers(guard).map((it) => [it.id, it.error.code]), [[0, -32601], [1, -32601], [
        2,
        -32601,
      ]]);
      for (const line of lines) assert.not.ok(guard.lines.includes(line));
    })),
);

fromServer.run();
