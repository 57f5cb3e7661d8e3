/** What a server writes that is no sound message, or no answer to anything: the client never reads it. */
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, withGuard } from "../harness.ts";
import { errorOf, fixture, NODE, type PuppetGuard, textOf, withPuppet } from "./puppet.ts";

const byId = (id: unknown) => (message: JsonRpc) => message["id"] === id && !("method" in message);

/** A call that makes the server write these bytes and nothing else. */
function utter(id: string | number, text: string): JsonRpc {
  const base64 = Buffer.from(text, "latin1").toString("base64");
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name: "utter", arguments: { base64 } } };
}

/** Codes of what was recorded as noise. */
const noise = (guard: PuppetGuard) =>
  guard.audit().filter((it) => it["type"] === "upstream-noise").map((it) =>
    (it["detail"] as { what: string }).what
  );

const lines = suite("lines of the server");

lines(
  "what is no JSON is dropped and recorded, and the answer behind it comes",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const said = [
        "Listening on port 3000",
        "{not json}",
        '"text"',
        '[{"jsonrpc":"2.0","method":"ping"}]',
        "\ufeff{}",
      ];
      await guard.call("say", { lines: said });
      assert.equal(guard.lines.filter((line) => said.includes(line)), []);
      assert.is(noise(guard).length, said.length, noise(guard).join());
    })),
);

lines(
  "a chatty server is understood all the same",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("writes-noise.mjs")] }, async (guard) => {
      await guard.initialize();
      assert.is(textOf(await guard.request("tools/call", { name: "echo", arguments: { a: 1 } })), '{"a":1}');
      for (const line of guard.lines) JSON.parse(line);
    })),
);

lines(
  "answers that nobody waits for are dropped: an unknown id, another type, twice, without an id",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
      const stray = [
        '{"jsonrpc":"2.0","id":2,"result":{}}',
        '{"jsonrpc":"2.0","id":"1","result":{}}',
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}',
        '{"jsonrpc":"2.0","result":{}}',
      ];
      const right = '{"jsonrpc":"2.0","id":1,"result":{"right":true}}';
      await guard.call("say", { lines: [...stray, right, right] });
      assert.equal(guard.lines.filter((line) => stray.includes(line)), []);
      assert.is(guard.lines.filter((line) => line === right).length, 1);
    })),
);

lines(
  "an answer begun before the question was asked is none",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const early = '{"jsonrpc":"2.0","id":"next","result":{"early":true}}';
      const right = '{"jsonrpc":"2.0","id":"next","result":{"right":true}}';
      const rest = early.length - 5;
      await guard.call("say", { lines: [early] });
      guard.send(utter(1, early.slice(0, rest)));
      // The line goes on only once the question is there; it began too early all the same.
      await delay(200);
      guard.send(utter("next", `${early.slice(rest)}\n`));
      await guard.call("say", { lines: [right] });
      assert.equal(guard.lines.filter((line) => line.includes('"next"')), [right]);
    })),
);

for (
  const { name, line } of [
    { name: "two ids", line: '{"jsonrpc":"2.0","id":1,"id":2,"result":{}}' },
    { name: "an id and an 'Id'", line: '{"jsonrpc":"2.0","id":1,"Id":2,"result":{}}' },
    { name: "two results", line: '{"jsonrpc":"2.0","id":1,"result":{"a":1},"result":{"a":2}}' },
    {
      name: "a result and an error",
      line: '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m"}}',
    },
  ]
) {
  lines(
    `an answer with ${name} does not reach the client, which is told so`,
    limited(30_000, () =>
      withPuppet({}, async (guard) => {
        guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
        await guard.call("say", { lines: [line] });
        assert.not.ok(guard.lines.some((it) => it.includes('"result":{"a"') || it.includes('"id":2')));
        // Two ids: nobody can say whose answer it was.
        if (name === "two ids") return;
        assert.is(errorOf(await guard.receive(byId(1), 2_000)).code, 1005);
      })),
  );
}

lines(
  "sound lines come as the bytes that the server wrote",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const odd = [
        '  {"params":{"level":"info","data":{"n":1e400,"m":1.00,"a":1,"a":2,"u":"\\ud83d"}},"method":"notifications\\/message", "jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9007199254740993,"progress":0.10}}',
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"\u2028\u00e4\ud83d\ude00"},"x":null}',
      ];
      await guard.call("say", { lines: odd });
      assert.equal(guard.lines.slice(1, 1 + odd.length), odd);
    })),
);

lines(
  "invalid UTF-8 in a value passes: clients read it as they always did",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.send(utter(1, '{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}\n'));
      assert.equal((await guard.receive(byId(1)))["result"], { a: "\ufffd" });
    })),
);

lines(
  "an answer over the limit is replaced by an error, and the session goes on",
  limited(60_000, () =>
    withPuppet({}, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } });
      // Over the 64 MiB that a server may say in one line.
      await guard.request("tools/call", { name: "shout", arguments: { id: 1, mebibytes: 65 } }, 20_000);
      assert.is(errorOf(await guard.receive(byId(1), 5_000)).code, 1005);
      await guard.request("ping");
    })),
);

lines.run();
