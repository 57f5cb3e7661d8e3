/** Policies carried out by a whole guard: what is refused never reaches the server, and what passes is untouched. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, withGuard, withTempDir } from "../harness.ts";
import { endOf, errorOf, fixture, NODE, type PuppetGuard, textOf, withPuppet } from "./puppet.ts";

const HEAD = "version: 1\nname: puppet\n";

/** Tools whose calls reached the server. */
const called = (guard: PuppetGuard) =>
  guard.received().map((line) => JSON.parse(line)).filter((it) => it.method === "tools/call")
    .map((it) => it.params.name);

const methods = (guard: PuppetGuard) => guard.received().slice(2).map((line) => JSON.parse(line).method);

function assertRefused(answer: JsonRpc, words: RegExp = /^Refused by policy/): string {
  assert.is((answer["result"] as { isError?: boolean } | undefined)?.isError, true, JSON.stringify(answer));
  assert.match(textOf(answer), words);
  const refusal = /\(mcp-guard (\S+)\)$/.exec(textOf(answer))?.[1];
  assert.ok(refusal !== undefined, textOf(answer));
  return refusal;
}

const names = (answer: JsonRpc) =>
  (answer["result"] as { tools: { name: string }[] }).tools.map((it) => it.name);

const tools = suite("policies for tools");

const RULES = `${HEAD}rules:
  - {name: echo-is-fine, tools: [echo, learn, "new-*"], effect: allow}
  - {name: no-exit, tools: [exit], effect: deny, message: Ask a person to end it}
  - {name: no-die, tools: [die], effect: hide}
`;

tools(
  "allow, deny with its message, hide, and what no rule speaks of",
  limited(30_000, () =>
    withPuppet({ policy: RULES }, async (guard) => {
      assert.equal(names(await guard.request("tools/list")), ["echo", "learn", "exit"]);
      assert.is(textOf(await guard.call("echo", { a: 1 })), '{"a":1}');
      const refusals = [
        assertRefused(await guard.call("exit", { code: 3 }), /^Ask a person to end it/),
        assertRefused(await guard.call("die", { signal: "SIGKILL" })),
        assertRefused(await guard.call("hold")),
        assertRefused(await guard.call("there-is-none")),
      ];
      await guard.request("ping");
      assert.equal(called(guard), ["echo"]);
      const records = refusals.map((id) => guard.audit().find((it) => it["refusal"] === id));
      assert.equal(records.map((it) => [it?.["effect"], it?.["name"], it?.["reason"], it?.["rules"]]), [
        ["deny", "exit", "rule", ["no-exit"]],
        ["deny", "die", "rule", ["no-die"]],
        ["deny", "hold", "default", []],
        ["deny", "there-is-none", "unknown-tool", []],
      ]);
      const hidden = guard.audit().find((it) => it["type"] === "list-filtered");
      assert.ok(JSON.stringify(hidden?.["detail"]).includes('"die"'));
    })),
);

tools(
  "a call before any list: the guard asks for the list itself, and the client does not see it",
  limited(30_000, () =>
    withPuppet({ policy: RULES }, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "none-such" } });
      guard.send({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "echo" } });
      assertRefused(await guard.receive((it) => it["id"] === 1));
      assert.is(textOf(await guard.receive((it) => it["id"] === 2)), "{}");
      assert.equal(methods(guard), ["tools/list", "tools/call"]);
      assert.is(guard.lines.length, 3, guard.lines.join("\n"));
    })),
);

tools(
  "a tool that comes later is found: the list is asked for again",
  limited(30_000, () =>
    withPuppet({ policy: RULES }, async (guard) => {
      assertRefused(await guard.call("new-tool"));
      await guard.call("learn", { name: "new-tool" });
      await guard.receive((it) => it["method"] === "notifications/tools/list_changed");
      assert.is(textOf(await guard.call("new-tool", { a: 1 })), '{"a":1}');
      assert.ok(names(await guard.request("tools/list")).includes("new-tool"));
      await guard.call("learn", { name: "other-tool" });
      assertRefused(await guard.call("other-tool"));
      assert.equal(called(guard), ["learn", "new-tool", "learn"]);
    })),
);

for (
  const name of [
    "Echo",
    "echo ",
    " echo",
    "echo\u0000",
    "echo\u0000x",
    "ech\u043e",
    "e\u200bcho",
    "",
    "__proto__",
    "constructor",
  ]
) {
  tools(
    `also under 'default: allow' the tool ${JSON.stringify(name)} is not 'echo'`,
    limited(30_000, () =>
      withPuppet({ policy: `${HEAD}default: allow\n` }, async (guard) => {
        const answer = await guard.call(name);
        if ("error" in answer) assert.is(errorOf(answer).code, -32600);
        else assertRefused(answer);
        await guard.request("ping");
        assert.equal(called(guard), []);
      })),
  );
}

tools(
  "escapes hide no name and no argument",
  limited(
    30_000,
    () =>
      withPuppet(
        { policy: `${HEAD}default: allow\nrules: [{name: r, tools: [exit], effect: deny}]\n` },
        async (guard) => {
          const hidden = ['"n\\u0061me":"exit"', '"name":"e\\u0078it"', '"\\u006eame":"\\u0065xit"'];
          for (const [id, member] of hidden.entries()) {
            guard.send(`{"jsonrpc":"2.0","id":${id},"method":"tools\\/c\\u0061ll","params":{${member}}}`);
            const answer = await guard.receive((it) => it["id"] === id);
            // A key of the protocol that is spelled with escapes is refused as such; a value is read as it is meant.
            if (member.startsWith('"name"')) assertRefused(answer);
            else assert.is(errorOf(answer).code, -32600);
          }
          await guard.request("ping");
          assert.equal(called(guard), []);
        },
      ),
  ),
);

tools.run();

const args = suite("policies for arguments");

const BY_ARGUMENTS = `${HEAD}rules:
  - {name: safe-only, tools: [echo], args: {a: {equals: safe}, n: {absent: ok, max: 10}}, effect: allow}
`;

args(
  "only what the rule says passes: no further argument, other type, other number or missing one",
  limited(60_000, () =>
    withPuppet({ policy: BY_ARGUMENTS }, async (guard) => {
      const send = async (text: string) => {
        guard.send(`{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"echo"${text}}}`);
        return await guard.receive((it) => it["id"] === "x");
      };
      const passing = ['{"a":"safe"}', '{"\\u0061":"s\\u0061fe"}', '{"n":1e1,"a":"safe"}'];
      for (const text of passing) {
        assert.ok("content" in ((await send(`,"arguments":${text}`))["result"] as object), text);
      }
      const refused = [
        "",
        ',"arguments":{}',
        ',"arguments":{"a":"unsafe"}',
        ',"arguments":{"a":null}',
        ',"arguments":{"a":{"equals":"safe"}}',
        ',"arguments":{"a":"safe","b":1}',
        ',"arguments":{"a":"safe","":1}',
        ',"arguments":{"a":"safe","n":11}',
        ',"arguments":{"a":"safe","n":1e400}',
        ',"arguments":{"a":"safe","n":"1"}',
        ',"arguments":{"a":"safe","n":9007199254740993}',
        ',"arguments":{"a":"safe\\u0000"}',
        ',"arguments":{"a":"ſafe"}',
      ];
      for (const text of refused) {
        const { isError } = (await send(text))["result"] as { isError?: boolean };
        assert.is(isError, true, text);
      }
      const malformed = [
        ',"arguments":{"a":"x","a":"safe"}',
        ',"arguments":{"a":"safe","A":"x"}',
        ',"arguments":{"A":"safe"}',
        ',"arguments":{"a":"safe","a\\u0000":"x"}',
        ',"arguments":{"a":"x"},"Arguments":{"a":"safe"}',
        ',"arguments":["safe"]',
        ',"arguments":"safe"',
      ];
      for (const text of malformed) {
        const { code } = errorOf(await send(text));
        assert.ok(code === -32600 || code === -32602, text);
      }
      await guard.request("ping");
      assert.is(called(guard).length, passing.length);
    })),
);

args(
  "a deny rule fires on what cannot be told",
  limited(30_000, () =>
    withPuppet(
      {
        policy:
          `${HEAD}default: allow\nrules: [{name: big, tools: [echo], args: {n: {min: 100}}, effect: deny}]\n`,
      },
      async (guard) => {
        for (const n of ["100", "1e400", "9007199254740993", '"5"', "null"]) {
          guard.send(
            `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"echo","arguments":{"n":${n}}}}`,
          );
          assertRefused(await guard.receive((it) => it["id"] === "x"));
        }
        assert.is(textOf(await guard.call("echo", { n: 5 })), '{"n":5}');
        assert.equal(called(guard), ["echo"]);
      },
    )),
);

args.run();

const lists = suite("filtered lists");

/** Odd spacing, escapes, numbers and unknown members, which must all survive. */
const ODD = {
  before: ' { "x":1.00,"deep":[{"tools":1}], "tools" : ',
  shown: [
    '{"name":"echo","inputSchema":{ "type":"object","n":1e400 },"_meta":{"a":1,"A":2}}',
    '{ "name":"\\u0065xit" }',
  ],
  hidden: ['{"name":"die","description":"},{"}', '{"name":"d\\u0069e2"}'],
  after: ',"nextCursor":"\u2028" , "y":null } ',
};

lists(
  "what is hidden is taken out, and every other byte stays",
  limited(30_000, () => {
    const [echo = "", exit = ""] = ODD.shown;
    const [die = "", die2 = ""] = ODD.hidden;
    const answer = `${ODD.before}[ ${die} ,\t${echo}, ${die2},${exit} ]${ODD.after}`;
    return withPuppet({ policy: RULES, answers: { "tools/list": answer } }, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      await guard.receive((it) => it["id"] === 1);
      assert.is(
        guard.lines.at(-1),
        `{"jsonrpc":"2.0","id":1,"result":${ODD.before}[${echo},${exit}]${ODD.after}}`,
      );
    });
  }),
);

lists(
  "where nothing is hidden the list comes byte for byte",
  limited(30_000, () => {
    const answer = `${ODD.before}[ ${ODD.shown.join(" ,\t")} ]${ODD.after}`;
    return withPuppet({ policy: RULES, answers: { "tools/list": answer } }, async (guard) => {
      guard.send({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      await guard.receive((it) => it["id"] === 1);
      assert.is(guard.lines.at(-1), `{"jsonrpc":"2.0","id":1,"result":${answer}}`);
    });
  }),
);

for (
  const list of ['{"tools":{}}', '{"tools":[{"title":"nameless"}]}', "[]", '{"tools":[{"name":7}]}', "{}"]
) {
  lists(
    `a list that cannot be read is replaced by an error: ${list}`,
    limited(30_000, () =>
      withPuppet({ policy: RULES, answers: { "tools/list": list } }, async (guard) => {
        assert.is(errorOf(await guard.request("tools/list")).code, 1005);
        await guard.request("ping");
      })),
  );
}

lists(
  "resources, templates and prompts are filtered, and refused where they are hidden",
  limited(30_000, () =>
    withPuppet({
      policy:
        `${HEAD}resources: {allow: ["demo://open/**"], deny: ["demo://open/secret*"]}\nprompts: {allow: ["a-*"]}\n`,
      answers: {
        "resources/list":
          '{"resources":[{"uri":"demo://open/1","name":"1"},{"uri":"demo://shut/1","name":"2"},' +
          '{"uri":"demo://open/secret1","name":"3"}]}',
        "resources/templates/list": '{"resourceTemplates":[{"uriTemplate":"demo://open/{id}","name":"1"},' +
          '{"uriTemplate":"demo://shut/{id}","name":"2"}]}',
        "resources/read": '{"contents":[]}',
        "resources/subscribe": "{}",
        "prompts/list": '{"prompts":[{"name":"a-1"},{"name":"b-1"}]}',
        "prompts/get": '{"messages":[]}',
        "completion/complete": '{"completion":{"values":[]}}',
      },
    }, async (guard) => {
      const list = async (method: string) => JSON.stringify((await guard.request(method))["result"]);
      assert.is(await list("resources/list"), '{"resources":[{"uri":"demo://open/1","name":"1"}]}');
      assert.match(await list("resources/templates/list"), /open/);
      assert.not.match(await list("resources/templates/list"), /shut/);
      assert.is(await list("prompts/list"), '{"prompts":[{"name":"a-1"}]}');

      const refused: readonly (readonly [string, JsonRpc])[] = [
        ["resources/read", { uri: "demo://shut/1" }],
        ["resources/read", { uri: "demo://open/../shut/1" }],
        ["resources/read", { uri: "demo://open/%2e%2e/shut/1" }],
        ["resources/read", { uri: "demo://open/secret2" }],
        ["resources/read", { uri: "demo://open/%73ecret2" }],
        ["resources/read", { uri: "file:///etc/passwd" }],
        ["resources/subscribe", { uri: "demo://shut/1" }],
        ["prompts/get", { name: "b-1" }],
        ["completion/complete", {
          ref: { type: "ref/prompt", name: "b-1" },
          argument: { name: "x", value: "" },
        }],
        ["completion/complete", {
          ref: { type: "ref/resource", uri: "demo://shut/1" },
          argument: { name: "x", value: "" },
        }],
      ];
      const before = guard.received().length;
      for (const [method, params] of refused) {
        assert.is(
          errorOf(await guard.request(method, params)).code,
          1001,
          `${method} ${JSON.stringify(params)}`,
        );
      }
      assert.is(guard.received().length, before);
      assert.ok("result" in await guard.request("resources/read", { uri: "demo://open/1" }));
      assert.ok("result" in await guard.request("resources/subscribe", { uri: "demo://open/1" }));
      assert.ok("result" in await guard.request("prompts/get", { name: "a-1" }));
    })),
);

lists.run();

const modes = suite("modes and loading");

modes(
  "observe: what would be denied passes, whole lists too, and is recorded as such",
  limited(30_000, () =>
    withPuppet({ policy: `${RULES}mode: observe\n` }, async (guard) => {
      assert.ok(names(await guard.request("tools/list")).includes("die"));
      assert.is(textOf(await guard.call("say", { lines: [] })), "said");
      assert.equal(called(guard), ["say"]);
      const record = guard.audit().find((it) => it["name"] === "say");
      assert.equal([record?.["effect"], record?.["observed"]], ["deny", true]);
      assert.match(guard.stderr, /observe/);
      // Frames are not relaxed.
      guard.send('{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}');
      assert.is(errorOf(await guard.receive((it) => "error" in it)).code, -32600);
    })),
);

for (
  const { name, policy, mode = 0o600, says } of [
    {
      name: "with errors",
      policy: `${HEAD}rulez: []\ndefault: maybe\n`,
      says: /policy\.yaml:3:1.*policy\.yaml:4:10.*ERR_POLICY_INVALID/s,
    },
    {
      name: "of a later issue",
      policy: `${HEAD}rules: [{name: a, tools: [x], effect: approve}]\n`,
      says: /not supported yet/,
    },
    { name: "that expired", policy: `${HEAD}expires: 2020-01-01\n`, says: /ERR_POLICY_EXPIRED/ },
    { name: "that others may write", policy: HEAD, mode: 0o666, says: /ERR_POLICY_UNSAFE/ },
  ]
) {
  modes(
    `with a policy ${name} nothing starts`,
    limited(30_000, () =>
      withTempDir(async (folder) => {
        const file = join(folder, "policy.yaml");
        writeFileSync(file, policy);
        chmodSync(file, mode);
        await withGuard({ server: [NODE, fixture("echo.mjs")], args: ["--policy", file] }, async (guard) => {
          guard.send({ jsonrpc: "2.0", id: 1, method: "ping" });
          assert.equal(await endOf(guard), { code: 1, signal: null });
          assert.match(guard.stderr, says);
          assert.equal(guard.lines, []);
        });
      })),
  );
}

modes.run();
