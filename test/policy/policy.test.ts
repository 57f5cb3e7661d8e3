/** What a policy says of lists, arguments and tools, and how it explains itself. Decisions are in `vectors/`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import { load, makeContext, withClients, withRules } from "./support.ts";

const test = suite("Policy");

test("a list shows what may be allowed and what a deny rule speaks of, and nothing hidden or unnamed", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [allowed, 'ns_*'], effect: allow, args: {x: {equals: 1}}}",
    "{name: b, tools: [denied], effect: deny, message: Why}",
    "{name: c, tools: ['*_secret'], effect: hide}",
  ));
  const names = [
    "allowed",
    "ns_a",
    "denied",
    "ns_secret",
    "a_secret",
    "other",
    "Allowed",
    "__proto__",
    "toString",
  ];
  assert.equal(names.filter((it) => policy.showsTool(it)), ["allowed", "ns_a", "denied"]);
});

test("under 'default: allow' a list hides only what is hidden or denied", async () => {
  const policy = await load(`${withRules("{name: c, tools: [secret], effect: hide}")}default: allow\n`);
  assert.equal(["a", "secret", "__proto__"].filter((it) => policy.showsTool(it)), ["a", "__proto__"]);
  assert.ok(policy.showsPrompt("p"));
  assert.ok(policy.showsResource("x:y"));
  assert.ok(policy.showsTemplate("x:{y}"));
});

test("lists of resources and prompts hold what may be read", async () => {
  const policy = await load(`${withRules()}prompts: {allow: [a]}
resources: {allow: ["demo://a/**", "file://$PROJECT/docs/*.md"], deny: ["demo://a/x/**"]}
`.replace("rules:\n", ""));
  assert.equal(["a", "b"].filter((it) => policy.showsPrompt(it)), ["a"]);
  assert.equal(["demo://a/1", "demo://a/x/1", "demo://b/1"].filter((it) => policy.showsResource(it)), [
    "demo://a/1",
  ]);
  const shown = [
    "demo://a/{id}",
    "demo://{host}/1",
    "DEMO://a/{id}",
    "file:///{+path}",
    "file://{path}",
    "file:///home/me/project/docs/{name}.md",
    "demo://a/b",
  ];
  const hidden = [
    "demo://a/x/{id}", // all of it is denied
    "{+any}", // some of it may be, and nobody can tell
    "demo://b/{id}",
    "other:{id}",
    "file:///etc/{name}",
    "file:///home/me/project/docs/{name}.txt",
    "file:///home/me/project/docs/../{name}.md",
    "demo://a/{id",
    "demo://a/}{id}",
    "demo://a/\n{id}",
  ];
  assert.equal([...shown, ...hidden].filter((it) => policy.showsTemplate(it)), shown);
});

test("arguments need to be parsed only for tools whose rules look at them", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [x, y], effect: allow}",
    "{name: b, tools: [x], effect: deny, args: {path.a: {equals: 1}, /n~1m: {equals: 1}, 'some(**)': {equals: 1}}}",
  ));
  assert.ok(policy.readsArguments("x"));
  assert.not(policy.readsArguments("y"));
  assert.not(policy.readsArguments("z"));
  assert.equal(policy.argumentNames("x"), ["path", "n/m"]);
  assert.equal(policy.argumentNames("y"), []);
});

test("the message is the same whatever the order of the rules", async () => {
  const rules = ["b", "a", "c"].map((name) =>
    `{name: ${name}, tools: [t], effect: deny, message: by ${name}}`
  );
  for (const order of [rules, rules.slice().reverse()]) {
    const decision = (await load(withRules(...order))).decide({ kind: "tool", name: "t", args: undefined });
    assert.is(decision.message, "by a");
  }
});

test("more rules than bits of a number are told apart", async () => {
  const rules = Array.from({ length: 70 }, (_, index) => {
    return `{name: r${index}, tools: [t], effect: deny, args: {n: {equals: ${index}}}}`;
  });
  const policy = await load(withRules("{name: all, tools: [t], effect: allow}", ...rules));
  for (const n of [0, 28, 29, 30, 31, 32, 61, 69]) {
    assert.equal(policy.decide({ kind: "tool", name: "t", args: { n } }).rules, [`r${n}`]);
  }
  assert.equal(policy.decide({ kind: "tool", name: "t", args: { n: 70 } }).rules, ["all"]);
});

test("a peer that asks for ever new tools does not fill our memory", async () => {
  const policy = await load(withRules("{name: a, tools: ['t*'], effect: allow}"));
  for (let index = 0; index < 5000; index++) {
    assert.is(policy.decide({ kind: "tool", name: `t${index}`, args: {} }).effect, "allow");
  }
  const long = "t".repeat(1_000_000);
  assert.is(policy.decide({ kind: "tool", name: long, args: {} }).effect, "allow");
});

test("arguments that are no object are never allowed by a rule that looks at them", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [t], effect: allow, other_args: allow, args: {x: {absent: true}}}",
    "{name: b, tools: [d], effect: allow}",
    "{name: c, tools: [d], effect: deny, args: {x: {equals: 1}}}",
  ));
  for (const args of [[], null, "x", 5, new Date()] as unknown as Record<string, unknown>[]) {
    assert.is(policy.decide({ kind: "tool", name: "t", args }).effect, "deny");
    assert.is(policy.decide({ kind: "tool", name: "d", args }).effect, "deny");
  }
});

test("rules are compared with the tools that the server has", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [read_file, raed_dir, 'x_*'], effect: allow, args: {pth: {equals: 1}}}",
    "{name: b, tools: [read_dir], effect: allow, args: {path: {equals: 1}}}",
    "{name: c, tools: [read_dir], effect: allow, other_args: allow, args: {path: {equals: 1}}}",
  ));
  const schema = (...names: string[]) => ({
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, {}])),
    required: names,
  });
  const problems = policy.compareWithTools([
    { name: "read_file", inputSchema: schema("path") },
    { name: "read_dir", inputSchema: schema("path", "depth") },
    { name: "odd", inputSchema: "no schema" },
    { name: "none" },
  ]);
  assert.equal(problems.map(({ line, message, hint }) => `${line} ${message} | ${hint}`), [
    "4 Rule 'a' can never allow 'read_file': it does not name 'path' | " +
    "The tool requires it: add it to 'args', or 'other_args: allow'",
    "4 The server has no tool 'raed_dir' | Did you mean 'read_dir'?",
    "4 The server has no tool 'x_*' | undefined",
    "4 Tool 'read_file' has no argument 'pth' | Did you mean 'path'?",
    "5 Rule 'b' can never allow 'read_dir': it does not name 'depth' | " +
    "The tool requires it: add it to 'args', or 'other_args: allow'",
  ]);
});

test("a decision is explained rule by rule", async () => {
  const policy = await load(withRules(
    "{name: under, tools: [t], effect: allow, args: {path: {under: $PROJECT}}}",
    "{name: glob, tools: [t], effect: allow, args: {path: {glob: /a}}}",
    "{name: other, tools: [u], effect: allow}",
    "{name: deny, tools: [t], effect: deny, args: {n: {min: 3}}}",
    "{name: blind, tools: ['t*'], effect: allow}",
  ));
  const explain = (args: Record<string, unknown>) => {
    const { rules } = policy.explain({ kind: "tool", name: "t", args });
    return rules.map(({ name, line, outcome, because }) => `${line} ${name} ${outcome}: ${because}`);
  };
  assert.equal(explain({ path: "/home/me/project/../x" }), [
    "4 under unknown: 'path' cannot be told for certain (it has '..'): not allowed on doubt",
    "5 glob no: 'path' does not match glob '/a'",
    "6 other no: It does not name this tool",
    "7 deny no: 'n' does not match min 3",
    "8 blind yes: It names this tool and does not look at arguments",
  ]);
  assert.equal(explain({ path: "/a", n: "5" }).filter((line) => /glob|deny/.test(line)), [
    "5 glob no: 'args' does not name 'n', and 'other_args: allow' is not given",
    "7 deny unknown: 'n' cannot be told for certain (wrong type, empty list, or a spelling that can be read in " +
    "several ways): refused on doubt",
  ]);
});

const byClient = `${withClients("{name: a}", "{name: b, uid: 7}", "{name: c, uid: 8}")}rules:
  - {name: r0, tools: [x, 'ns_*'], clients: [a], effect: allow}
  - {name: r1, tools: [y], clients: [b], effect: deny}
  - {name: r2, tools: [z], clients: [c], effect: hide}
  - {name: r3, tools: [y, z], effect: allow}
`;

test("a list shows each client what it may have, and an unknown one what all may", async () => {
  const policy = await load(byClient);
  const shown = (client?: string) => ["x", "ns_q", "y", "z"].filter((name) => policy.showsTool(name, client));
  assert.equal(shown("a"), ["x", "ns_q", "y", "z"]);
  assert.equal(shown("b"), ["y", "z"]);
  assert.equal(shown("c"), ["y"]);
  assert.equal(shown("exe-0123456789abcdef"), ["y", "z"]);
  assert.equal(shown(), ["y"]);
});

test("under 'default: allow' nothing is hidden from whom no rule speaks of", async () => {
  const policy = await load(`${byClient}default: allow\n`);
  const shown = (client?: string) => ["x", "y", "z", "q"].filter((name) => policy.showsTool(name, client));
  assert.equal(shown("c"), ["x", "y", "q"]);
  assert.equal(shown("b"), ["x", "y", "z", "q"]);
  assert.equal(shown(), ["x", "y", "q"]);
});

test("what a rule makes of the client is explained", async () => {
  const policy = await load(
    byClient.replace("{name: r0, tools: [x,", "{name: r0, args: {n: {max: 3}}, tools: [x,"),
  );
  const explain = (name: string, client: string | undefined, args: Record<string, unknown> = {}) => {
    const request = { kind: "tool", name, args, ...(client === undefined ? {} : { client }) } as const;
    const { rules, decision } = policy.explain(request);
    assert.equal(decision, policy.decide(request));
    return rules.filter((rule) => rule.because !== "It does not name this tool")
      .map(({ name, outcome, because }) => `${name} ${outcome}: ${because}`);
  };
  assert.equal(explain("x", "a", { n: 1 }), ["r0 yes: Every argument matches"]);
  assert.equal(explain("x", "b", { n: 1 }), ["r0 no: It does not speak of this client"]);
  assert.equal(explain("x", undefined, { n: 1 }), [
    "r0 unknown: It speaks of some clients only, and none is given: not allowed on doubt",
  ]);
  assert.equal(explain("x", undefined, { n: 5 }), ["r0 no: 'n' does not match max 3"]);
  assert.equal(explain("y", undefined), [
    "r1 unknown: It speaks of some clients only, and none is given: refused on doubt",
    "r3 yes: It names this tool and does not look at arguments",
  ]);
});

test("an allow rule is beaten for good only by a rule for all of its clients", async () => {
  const problemsOf = async (deny: string, allow: string) => {
    const text = `${withClients("{name: a}", "{name: b, uid: 7}")}rules:
  - {name: d, tools: [t], effect: deny${deny}}
  - {name: p, tools: [t], effect: allow${allow}}
`;
    const { problems } = await loadPolicy(text, "p.yaml", makeContext());
    return problems.map(({ message }) => message);
  };
  const beaten = ["Rule 'p' never allows 't': 'd' says 'deny'"];
  assert.equal(await problemsOf("", ", clients: [a]"), beaten);
  assert.equal(await problemsOf(", clients: [a, b]", ", clients: [b]"), beaten);
  assert.equal(await problemsOf(", clients: [a]", ", clients: [a, b]"), []);
  assert.equal(await problemsOf(", clients: [a]", ""), []);
});

test("a decision on a resource is explained entry by entry", async () => {
  const policy = await load(
    'version: 1\nname: x\nresources: {allow: ["demo://a/**"], deny: ["demo://a/x"]}\n',
  );
  const explain = (uri: string) => {
    const { decision, rules } = policy.explain({ kind: "resource", uri });
    return [decision.effect, ...rules.map(({ name, outcome, because }) => `${name} ${outcome}: ${because}`)];
  };
  assert.equal(explain("demo://a/b"), [
    "allow",
    "resources.deny[0] no: It does not match 'demo://a/x'",
    "resources.allow[0] yes: It matches 'demo://a/**'",
  ]);
  assert.equal(explain("demo://a/%2fb").slice(0, 2), [
    "deny",
    "resources.deny[0] unknown: The URI is not plain: it has '%' where it can be read in several ways",
  ]);
});

test("deciding costs less than a few microseconds", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [t], effect: allow, args: {q: {type: string, max_length: 100}, n: {absent: ok, max: 3}}}",
    "{name: b, tools: [t], effect: deny, args: {q: {glob: '**password**'}}}",
  ));
  const request = { kind: "tool", name: "t", args: { q: "hello world", n: 1 } } as const;
  const ask = (times: number) => {
    const start = performance.now();
    for (let index = 0; index < times; index++) policy.decide(request);
    return (performance.now() - start) * 1000 / times;
  };
  ask(50_000);
  // The aim is 0.5 µs; other processes may be running beside the test.
  const best = Math.min(ask(50_000), ask(50_000), ask(50_000));
  assert.ok(best < 5, `${best.toFixed(2)} µs`);
});

test.run();
