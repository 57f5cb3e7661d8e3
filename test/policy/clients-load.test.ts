/** What of `clients` is refused or warned of when a policy is loaded. What is admitted is in `admission.test.ts`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import { errorsOf, load, makeContext, withClients, withRules, type World } from "./support.ts";

const test = suite("loadPolicy(), clients");
const A = "a".repeat(64);
const B = "b".repeat(64);

/** One client with more keys. */
const client = (keys: string) => withClients(`{name: c, ${keys}}`);
const program = (keys: string) => client(`executable: {sha256: ${A}}, ${keys}`);

interface Refusal {
  readonly name: string;
  readonly text: string;
  readonly says: RegExp;
  readonly world?: World;
}

const refusals: readonly Refusal[] = [
  // Words.
  {
    name: "no clients at all",
    text: withClients().replace("clients:\n", "clients: []\n"),
    says: /^3:10 .*nobody/,
  },
  {
    name: "a client without a name",
    text: withClients("{uid: 5}"),
    says: /^4:5 'name' is missing in a client/,
  },
  { name: "a name that no SPIFFE ID has", text: withClients("{name: a/b}"), says: /'a\/b' must be/ },
  { name: "two clients of one name", text: withClients("{name: a}", "{name: a}"), says: /^5:12 Two clients/ },
  { name: "an unknown key", text: client("exe: x"), says: /^4:15 Unknown key 'exe' in a client/ },
  { name: "an unknown key of an executable", text: client("executable: {sha: x}"), says: /in 'executable'/ },
  { name: "an unknown key of a parent", text: client("parents: [{exe: x}]"), says: /in a parent/ },
  { name: "an unknown word among parents", text: client("parents: [every]"), says: /cannot be 'every'/ },
  { name: "a grade that is none", text: client("grade: claimed"), says: /cannot be 'claimed'/ },
  { name: "a name as comm has it", text: client("comm: claude"), says: /Unknown key 'comm'/ },

  // Accounts.
  { name: "a uid as text", text: client('uid: "1000"'), says: /must be a number or self, not a text/ },
  { name: "a uid in words", text: client("uid: own"), says: /must be a number or self/ },
  { name: "a negative uid", text: client("uid: -1"), says: /must not be below 0/ },
  { name: "the uid of nobody at all", text: client("uid: 4294967295"), says: /must not be above 4294967294/ },
  { name: "half a uid", text: client("uid: 1.5"), says: /whole number/ },
  { name: "self as a group", text: client("gid: self"), says: /must be a number, not a text/ },
  { name: "no uid in a list", text: client("uid: []"), says: /^4:20 'uid' is empty/ },
  { name: "a uid twice", text: client("uid: [5, 5]"), says: /^4:24 '5' is listed twice/ },
  { name: "a user that there is not", text: client("user: nobody"), says: /^4:21 There is no user 'nobody'/ },
  {
    name: "a group that there is not",
    text: client("group: [me, staff]"),
    says: /^4:27 There is no group 'staff'/,
  },
  { name: "a group of a user's name", text: client("group: ci"), says: /There is no group 'ci'/ },
  {
    name: "a uid and another's name",
    text: client("uid: 5, user: ci"),
    says: /^4:29 No user is named by both/,
  },
  {
    name: "self where nobody is",
    text: client("uid: self"),
    says: /'self' is nobody/,
    world: { ownUid: null },
  },
  {
    name: "an entry that means self where nobody is",
    text: client("gid: 5"),
    says: /^4:5 The guard's own user is not known/,
    world: { ownUid: null },
  },

  // Identities that cannot hold.
  { name: "an empty executable", text: client("executable: {}"), says: /^4:27 'executable' is empty/ },
  {
    name: "a path alone",
    text: client("executable: {path: /opt/agent}"),
    says: /^4:28 A path alone is no identity: its user can put any file there/,
  },
  {
    name: "immutable alone",
    text: client("executable: {immutable: true}"),
    says: /'immutable' alone is no identity/,
  },
  { name: "immutable that is not", text: client("executable: {immutable: false}"), says: /must be true/ },
  {
    name: "a digest in capitals",
    text: client(`executable: {sha256: ${"A".repeat(64)}}`),
    says: /trust:NAME/,
  },
  {
    name: "a short digest",
    text: client(`executable: {sha256: ${"a".repeat(63)}}`),
    says: /64 lower-case hex/,
  },
  { name: "a digest of another kind", text: client(`executable: {sha256: "md5:${A}"}`), says: /trust:NAME/ },
  { name: "no digest in a list", text: client("executable: {sha256: []}"), says: /'sha256' is empty/ },
  { name: "a digest twice", text: client(`executable: {sha256: [${A}, ${A}]}`), says: /listed twice/ },
  {
    name: "a trust name that is a path",
    text: client("executable: {sha256: trust:../x}"),
    says: /trust:NAME/,
  },
  {
    name: "a relative path",
    text: client(`executable: {sha256: ${A}, path: bin/agent}`),
    says: /'bin\/agent' is not absolute/,
  },
  {
    name: "a path that the kernel spells otherwise",
    text: client(`executable: {sha256: ${A}, path: /opt/../agent}`),
    says: /'\/opt\/..\/agent' can never match/,
  },
  {
    name: "a path with a '/' at its end",
    text: client(`executable: {sha256: ${A}, path: /opt/agent/}`),
    says: /can never match/,
  },
  {
    name: "a script without digest",
    text: client("script: {path: /x.js}"),
    says: /'sha256' is missing in 'script'/,
  },
  {
    name: "a script without a word on its grade",
    text: client(`script: {sha256: ${A}}`),
    says: /^4:15 Which script an interpreter runs is its own word/,
  },
  {
    name: "a script at a grade it never has",
    text: client(`grade: lineage, script: {sha256: ${A}}`),
    says: /never better than heuristic/,
  },
  {
    name: "a parent's script without a word on its grade",
    text: client(`parents: [{script: {sha256: ${A}}}]`),
    says: /^4:26 Which script a parent runs is its own word/,
  },
  {
    name: "parents that say nothing",
    text: client("parents: [any, any-number]"),
    says: /^4:24 'parents' says nothing/,
  },
  { name: "no parents in a list", text: client("parents: []"), says: /says nothing/ },
  { name: "a parent that is empty", text: client("parents: [{}]"), says: /A parent without 'executable'/ },
  {
    name: "a parent that is a path alone",
    text: client("parents: [{executable: {path: /opt/x}}]"),
    says: /A path alone/,
  },
  {
    name: "more parents than are looked at",
    text: client(`parents: [${"any, ".repeat(16)}{executable: {sha256: ${A}}}]`),
    says: /no more than 16 ancestors/,
  },

  // Floors that cannot be reached.
  {
    name: "a grade for an account",
    text: client("grade: measured"),
    says: /^4:22 'grade' cannot raise an entry/,
  },
  {
    name: "a grade for parents' sake",
    text: client(`grade: lineage, parents: [{executable: {sha256: ${A}}}]`),
    says: /cannot raise/,
  },
  {
    name: "a program of grade kernel",
    text: program("grade: kernel"),
    says: /No fact of a program is of grade kernel/,
  },
  {
    name: "a measured program without proof",
    text: program("proof: not-required"),
    says: /^4:5 'grade: measured' can never be reached: the entry waives the proof/,
  },
  {
    name: "a program at lineage of which others may speak",
    text: program("grade: lineage, sender: first"),
    says: /^4:\d+ 'grade: lineage' can never be reached: the entry lets others speak/,
  },
  {
    name: "a measured program behind the shim",
    text: program("via: shim"),
    says: /can never be reached: nobody proves that it is what speaks/,
  },
  {
    name: "parents of one of whom others may speak",
    text: client(`sender: first, parents: [{executable: {sha256: ${A}}}]`),
    says: /'parents_grade: lineage' can never be reached/,
  },
  {
    name: "a grade for no parents",
    text: client("parents_grade: lineage"),
    says: /no use without 'parents'/,
  },
  {
    name: "variables that load code into no program",
    text: client("env_ok: [LD_PRELOAD]"),
    says: /no use without/,
  },

  // Words that must not be there.
  { name: "argv without a word", text: client("argv: {}"), says: /'forbid' is missing in 'argv'/ },
  { name: "argv that forbids nothing", text: client("argv: {forbid: []}"), says: /forbids nothing/ },
  { name: "a blank in argv", text: client('argv: {forbid: [" "]}'), says: /no word in it/ },
  { name: "forbid that forbids nothing", text: client("forbid: []"), says: /forbids nothing/ },
  { name: "a selector without value", text: client("forbid: [unix:uid]"), says: /must be a selector/ },
  {
    name: "a selector that nobody has",
    text: client("forbid: [unix:name:x]"),
    says: /'unix:name' is nothing/,
  },
  { name: "a wildcard for the key", text: client('forbid: ["unix:*:x"]'), says: /must be a selector/ },
  { name: "a chain of any place by '*'", text: client('forbid: ["chain:*:x"]'), says: /must be a selector/ },
  {
    name: "a good property",
    text: client("forbid: [proc:exe_immutable:true]"),
    says: /nothing that can be forbidden/,
  },
  { name: "a uid in words", text: client("forbid: [unix:uid:root]"), says: /its value must be a number/ },
  { name: "a uid with a zero before it", text: client("forbid: [unix:uid:00]"), says: /must be a number/ },
  {
    name: "a digest in capitals",
    text: client("forbid: ['unix:sha256:A*']"),
    says: /must be a sha256 digest/,
  },
  {
    name: "a digest of 63 digits",
    text: client(`forbid: [unix:sha256:${"a".repeat(63)}]`),
    says: /64 lower-case/,
  },
  {
    name: "an ancestor's digest without its kind",
    text: client(`forbid: [chain:0:${A}]`),
    says: /sha256: and/,
  },
  { name: "a relative path", text: client("forbid: [unix:path:bin/x]"), says: /an absolute path/ },
  {
    name: "a kind of program that is none",
    text: client("forbid: [proc:interpreter:lua]"),
    says: /must be one of/,
  },
  { name: "a mode that is none", text: client("forbid: [sock:mode:http]"), says: /stdio, unix or tcp/ },
  {
    name: "a user that there is not",
    text: client("forbid: [unix:user:root]"),
    says: /there is no such user/,
  },
  {
    name: "users by wildcard",
    text: client("forbid: ['unix:user:*']"),
    says: /a user's name cannot hold '\*'/,
  },

  // Programs that are no identity, by their names.
  {
    name: "an interpreter by its path",
    text: client("executable: {path: /usr/bin/python3.12, immutable: true}"),
    says: /^4:34 This is '\/usr\/bin\/python3.12', which runs any script/,
  },
  {
    name: "a relay by its path",
    text: client("executable: {path: /usr/bin/socat, immutable: true}"),
    says: /passes on or runs whatever it is given: never an identity/,
  },
  {
    name: "a relay by its path, with a script",
    text: client(
      `grade: heuristic, executable: {path: /usr/bin/nc.openbsd, immutable: true}, script: {sha256: ${A}}`,
    ),
    says: /never an identity/,
  },
  {
    name: "an emulator by its path",
    text: client(`executable: {sha256: ${A}, path: /usr/bin/qemu-x86_64-static}`),
    says: /never an identity/,
  },
  {
    name: "a shell among the parents",
    text: client("parents: [{executable: {path: /usr/bin/bash, immutable: true}}]"),
    says: /runs any script/,
  },

  // And by digests that are known.
  {
    name: "an interpreter by its digest",
    text: client(`executable: {sha256: [${B}, ${A}]}`),
    says: /^4:103 This is '\/opt\/node', which runs any script/,
    world: { programs: { [A]: { kind: "node", name: "/opt/node" } } },
  },
  {
    name: "a relay by its digest",
    text: client(`executable: {sha256: ${A}}`),
    says: /never an identity/,
    world: { programs: { [A]: { kind: "relay", name: "/bin/nc" } } },
  },
  {
    name: "a single-file runtime by its digest",
    text: client(`executable: {sha256: ${A}}`),
    says: /single-file runtime: a digest given here counts as heuristic/,
    world: { programs: { [A]: { kind: "bun-compiled", name: "/opt/agent" } } },
  },
  {
    name: "a shell among the parents by its digest",
    text: client(`parents: [any, {executable: {sha256: ${A}}}]`),
    says: /runs any script/,
    world: { programs: { [A]: { kind: "shell", name: "/bin/sh" } } },
  },

  // Rules.
  {
    name: "a rule for a client that there is not",
    text: `${withClients("{name: claude}")}rules: [{name: r, tools: [t], effect: deny, clients: [claud]}]`,
    says: /^5:55 The policy has no client 'claud'/,
  },
  {
    name: "a rule for a client of a policy without clients",
    text: withRules("{name: r, tools: [t], effect: allow, clients: [a]}"),
    says: /no client 'a'/,
  },
  {
    name: "a rule for no client",
    text: `${withClients("{name: a}")}rules: [{name: r, tools: [t], effect: deny, clients: []}]`,
    says: /'clients' is empty: the rule can never match/,
  },
  {
    name: "a rule for a client twice",
    text: `${withClients("{name: a}")}rules: [{name: r, tools: [t], effect: deny, clients: [a, a]}]`,
    says: /listed twice/,
  },
];

for (const { name, text, says, world } of refusals) {
  test(`${name} is refused: ${says.source}`, async () => {
    const errors = await errorsOf(text, world);
    assert.ok(errors.some((error) => says.test(error)), `none of ${JSON.stringify(errors)} says ${says}`);
  });
}

test("what looks like an identity and is refused is told with what to write instead", async () => {
  const hints = async (text: string) => {
    const { problems } = await loadPolicy(text, "p.yaml", makeContext());
    return problems.map(({ message, hint }) => `${message} | ${hint}`);
  };
  assert.equal(await hints(client("executable: {path: /opt/agent}")), [
    "A path alone is no identity: its user can put any file there | " +
    "Add 'sha256: …' ('mcp-guard attest' shows it), or 'immutable: true' where only root can change it",
  ]);
  assert.equal(await hints(program("proof: not-required")), [
    "'grade: measured' can never be reached: the entry waives the proof of who speaks | " +
    "Say 'grade: lineage' if that will do",
    "'proof: not-required': a helper that took over the connection may act under this name | " +
    "What is known of its program counts as lineage on standard streams, as heuristic elsewhere",
  ]);
});

test("the errors of all entries are told at once", async () => {
  const errors = await errorsOf(withClients(
    "{name: a, uid: x, executable: {path: /opt/a}, argv: {forbid: []}}",
    `{name: b, grade: measured, forbid: [foo:bar:x], parents: [{script: {sha256: ${A}}}]}`,
  ));
  assert.equal(errors.map((error) => error.slice(0, 30)), [
    "4:20 'uid': must be a number o",
    "4:36 A path alone is no identi",
    "4:66 'forbid' is empty: it for",
    "5:22 'grade' cannot raise an e",
    "5:41 'foo:bar:x' cannot be for",
    "5:64 Which script a parent run",
  ]);
});

interface Warning {
  readonly name: string;
  readonly text: string;
  readonly says: readonly string[];
  readonly world?: World;
}

const warnings: readonly Warning[] = [
  { name: "a sound entry", text: program("argv: {forbid: [mcp serve]}"), says: [] },
  {
    name: "an interpreter with its script",
    text: client(
      `grade: heuristic, executable: {path: /usr/bin/node, immutable: true}, script: {sha256: ${A}}`,
    ),
    says: [],
  },
  {
    name: "a waived proof",
    text: program("grade: lineage, proof: not-required"),
    says: ["'proof: not-required': a helper that took over the connection may act under this name"],
  },
  { name: "a waived proof of an account", text: client("proof: not-required"), says: [] },
  {
    name: "a sender who speaks first only",
    text: program("grade: heuristic, sender: first"),
    says: ["'sender: first': whoever gets hold of the connection later may act under this name"],
  },
  {
    name: "an account of whom others may speak later",
    text: client("sender: first"),
    says: ["'sender: first': whoever gets hold of the connection later may act under this name"],
  },
  {
    name: "claude without its relaying command",
    text: client("executable: {sha256: [trust:claude-code]}"),
    says: ["As 'mcp serve' this program passes on what anybody says"],
  },
  {
    name: "codex by its path",
    text: client(`executable: {sha256: ${A}, path: /opt/codex}`),
    says: ["As 'stdio-to-uds' this program passes on what anybody says"],
  },
  {
    name: "claude by the folder of its version",
    text: client(`executable: {sha256: ${A}, path: $HOME/.local/share/claude/versions/2.1.0}`),
    says: ["As 'mcp serve' this program passes on what anybody says"],
  },
  {
    name: "claude with another command forbidden",
    text: client("executable: {sha256: trust:claude}, argv: {forbid: [stdio-to-uds]}"),
    says: ["As 'mcp serve' this program passes on what anybody says"],
  },
  {
    name: "claude with all of mcp forbidden",
    text: client("executable: {sha256: trust:claude}, argv: {forbid: [mcp]}"),
    says: [],
  },
  {
    name: "a trust file entry that sounds like an interpreter",
    text: client("executable: {sha256: trust:node}"),
    says: ["'trust:node' sounds like a program that runs or passes on anything: no identity"],
  },
  {
    name: "a script of any interpreter",
    text: client(`grade: heuristic, script: {sha256: ${A}}`),
    says: ["Any interpreter that says it runs this script will match"],
  },
  {
    name: "a path that is a link",
    text: client(`executable: {sha256: ${A}, path: /opt/agent}`),
    world: { links: { "/opt/agent": "/opt/agent-2" } },
    says: ["'/opt/agent' is a link, or lies behind one, and what runs has no such path"],
  },
  {
    name: "a single-file runtime at heuristic",
    text: client(`grade: heuristic, executable: {sha256: ${A}}`),
    world: { programs: { [A]: { kind: "bun-compiled", name: "/opt/agent" } } },
    says: [],
  },
  {
    name: "an entry behind one for its whole account",
    text: withClients("{name: me}", `{name: agent, executable: {sha256: ${A}}}`),
    says: ["'agent' is never reached: 'me' admits the same users before it"],
  },
  {
    name: "an entry before one for its whole account",
    text: withClients(`{name: agent, executable: {sha256: ${A}}}`, "{name: me}"),
    says: [],
  },
  {
    name: "an entry behind one for fewer",
    text: withClients("{name: me, group: docker}", "{name: other}", "{name: ci, user: ci}"),
    says: [],
  },
  {
    name: "an entry behind one for whom the shim is needed",
    text: withClients("{name: me, via: shim}", "{name: other}"),
    says: [],
  },
];

for (const { name, text, says, world } of warnings) {
  test(`${name}: ${says.length === 0 ? "nothing to say" : says.join(", ")}`, async () => {
    const { policy, problems } = await loadPolicy(text, "p.yaml", makeContext(world));
    assert.ok(policy, JSON.stringify(problems));
    assert.equal(problems.map(({ message }) => message), says);
  });
}

test("the warning of a relaying command names the exact words", async () => {
  const { problems } = await loadPolicy(
    client("executable: {sha256: trust:claude-code}"),
    "p.yaml",
    makeContext(),
  );
  assert.is(problems[0]!.hint, `Add 'argv: {forbid: ["mcp serve"]}'`);
});

test("a policy without clients has none, one with them tells names, trust names and what to measure", async () => {
  assert.is((await load("version: 1\nname: x\n")).clients, undefined);
  const { clients } = await load(withClients(
    "{name: b, executable: {sha256: [trust:x, trust:y]}}",
    `{name: a, grade: heuristic, script: {sha256: trust:z}, parents: [any, {executable: {sha256: trust:x}}]}`,
    "{name: c, user: ci}",
  ));
  assert.equal(clients!.names, ["b", "a", "c"]);
  assert.equal(clients!.trustNames, ["x", "y", "z"]);
  assert.equal([...clients!.wants].sort(), ["executable", "loaders", "mappings", "parents", "script"]);
});

const wants: readonly (readonly [string, readonly string[]])[] = [
  ["uid: 5, group: docker", []],
  ["executable: {sha256: trust:x}", ["executable", "loaders", "mappings"]],
  ["parents: [{executable: {sha256: trust:x}}]", ["parents"]],
  ["parents_grade: heuristic, parents: [{script: {sha256: trust:x}}]", ["parent-scripts", "parents"]],
  ["argv: {forbid: [x]}", ["argv"]],
  ["forbid: ['unix:path:/tmp/*', proc:env:LD_PRELOAD]", ["executable", "loaders"]],
  ["forbid: [proc:script_path:/x, 'chain:any:sha256:a*', 'chain:0:sha256:a*']", ["parents", "script"]],
  ["forbid: [unix:uid:0, unix:group:docker, 'proc:label:*', ns:pid:other, sock:mode:tcp]", []],
];
for (const [keys, expected] of wants) {
  test(`for '${keys}' is measured: ${expected.join(", ") || "nothing"}`, async () => {
    assert.equal([...(await load(client(keys))).clients!.wants].sort(), expected);
  });
}

const accounts: readonly (readonly [string, readonly number[]])[] = [
  ["uid: self", [1000]],
  ["gid: 5", [1000]],
  ["uid: [self, 7]", [7, 1000]],
  ["user: [me, ci]", [1000, 1001]],
  ["uid: [1000, 7], user: [me, ci]", [1000]],
];
for (const [keys, expected] of accounts) {
  test(`'${keys}' may admit ${expected.join(", ")}, whatever the group`, async () => {
    const { clients } = await load(client(keys));
    const uids = [0, 7, 1000, 1001, 65534];
    assert.equal(uids.filter((uid) => clients!.mayAdmit({ uid, gid: 0 })), expected);
  });
}

test("the summary names who may connect", async () => {
  const summaryOf = async (text: string) => {
    const result = await loadPolicy(text, "p.yaml", makeContext());
    return result.policy === undefined ? "" : result.summary.split("; ").at(-1);
  };
  const clients = (count: number) =>
    withClients(...Array.from({ length: count }, (_, i) => `{name: c${i}, uid: ${i}}`));
  assert.is(await summaryOf("version: 1\nname: x\n"), "any process of the guard's user may connect");
  assert.is(await summaryOf(clients(1)), "1 client (c0)");
  assert.is(await summaryOf(clients(7)), "7 clients (c0, c1, c2, c3, c4, and 2 more)");
});

test.run();
