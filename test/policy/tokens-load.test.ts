/** `session.token`, `session.bootstrap`, `identity_to_server`, `bootstrap: required` and the server's secrets, as loaded. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import { errorsOf, load, makeContext } from "./support.ts";

const head = "version: 1\nname: test\n";
const session = (words: string) => `${head}session: {${words}}\n`;
const REQUIRED = "clients: [{name: a, uid: self, bootstrap: required}]\n";

const NONE = {
  issue: "none",
  ttlMs: 900_000,
  keyFile: undefined,
  tool: false,
  needsSecret: false,
  serverSecretFile: undefined,
  bootstrap: undefined,
  identityToServer: "none",
};

const tokens = suite("tokens of the policy");
for (
  const [text, expected] of [
    [head, {}],
    [session("token: {issue: none}"), {}],
    [session("token: {issue: initialize}"), { issue: "initialize" }],
    [session("token: {issue: initialize, ttl: 90s, key: ~/k.pem}"), {
      issue: "initialize",
      ttlMs: 90_000,
      keyFile: "/home/me/k.pem",
    }],
    [session("token: {issue: bootstrap}"), { issue: "bootstrap", needsSecret: true }],
    [session("token: {issue: bootstrap, tool: get_token}"), {
      issue: "bootstrap",
      needsSecret: true,
      tool: true,
    }],
    [session("identity_to_server: selectors"), { identityToServer: "selectors" }],
    [head + REQUIRED, { needsSecret: true }],
    [session("bootstrap: {fd: 3}") + REQUIRED, { needsSecret: true, bootstrap: { fd: 3 } }],
    [session("bootstrap: {file: /run/x/secret}") + REQUIRED, {
      needsSecret: true,
      bootstrap: { file: "/run/x/secret" },
    }],
    [`${head}server: {bootstrap_file: ~/secret}\n`, { serverSecretFile: "/home/me/secret" }],
  ] as const
) {
  tokens(`understood: ${JSON.stringify(text.slice(head.length))}`, async () => {
    assert.equal((await load(text)).tokens, { ...NONE, ...expected });
  });
}

const refusals: readonly [text: string, says: RegExp][] = [
  [session("token: {ttl: 5m}"), /issue/],
  [session("token: {issue: always}"), /issue|initialize/],
  [session("token: {issue: none, ttl: 5m}"), /'ttl' has no use/],
  [session("token: {issue: none, key: /k}"), /'key' has no use/],
  [session("token: {issue: initialize, ttl: 500ms}"), /between a second and a day/],
  [session("token: {issue: initialize, ttl: 2d}"), /between a second and a day/],
  [session("token: {issue: initialize, key: k.pem}"), /not absolute/],
  [session("token: {issue: initialize, tool: get_token}"), /'issue' is not bootstrap/],
  [session("identity_to_server: token"), /No token is issued/],
  [session("bootstrap: {fd: 3}"), /has no use/],
  [session("bootstrap: {}") + REQUIRED, /either a 'file' or an 'fd'/],
  [session("bootstrap: {fd: 3, file: /x}") + REQUIRED, /either a 'file' or an 'fd'/],
  [session("bootstrap: {fd: 1}") + REQUIRED, /fd/],
  [session("bootstrap: {file: x}") + REQUIRED, /not absolute/],
  [`${head}clients: [{name: a, bootstrap: optional}]\n`, /cannot be .optional/],
  [`${head}server: {env: {secrets: {A: /x}}}\n`, /must not be a text/],
  [`${head}server: {env: {secrets: {A: {}}}}\n`, /file/],
  [`${head}server: {env: {secrets: {A: {file: x}}}}\n`, /not absolute/],
  [`${head}server: {env: {secrets: {"A=B": {file: /x}}}}\n`, /variable/],
  [`${head}server: {env: {set: {A: x}, secrets: {A: {file: /x}}}}\n`, /stands under 'set'/],
  [`${head}server: {bootstrap_file: x}\n`, /not absolute/],
  [
    `${head}server: {bootstrap_file: /x}\nsession: {token: {issue: bootstrap, tool: get_token}}\n`,
    /stands before the server's/,
  ],
];
for (const [text, says] of refusals) {
  tokens(`refused: ${JSON.stringify(text.slice(head.length))}`, async () => {
    const errors = await errorsOf(text);
    assert.ok(errors.some((error) => says.test(error)), errors.join("\n") || "no error");
  });
}

tokens("get_token comes with the warning that the model sees what it gives", async () => {
  const text = session("token: {issue: bootstrap, tool: get_token}");
  const { problems } = await loadPolicy(text, "test.yaml", makeContext());
  assert.equal(problems.map(({ severity }) => severity), ["warning"]);
  assert.match(problems[0]!.message, /the model sees/);
});

tokens("the entry that admits says whether the secret is asked for", async () => {
  const policy = await load(head + REQUIRED);
  assert.is(policy.clients?.needsBootstrap, true);
  assert.is((await load(`${head}clients: [{name: a, uid: self}]\n`)).clients?.needsBootstrap, false);
});

tokens("secrets of the server are names and paths", async () => {
  const { server } = await load(`${head}server: {env: {secrets: {A: {file: ~/a}, B: {file: $PROJECT/b}}}}\n`);
  assert.equal({ ...server.env.secrets }, { A: "/home/me/a", B: "/home/me/project/b" });
});
tokens.run();
