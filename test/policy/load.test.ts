import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy, policySchema } from "../../policy/mod.ts";
import { MATCHER_WORDS } from "../../policy/language.ts";
import { WORDS } from "../../policy/match/words.ts";
import { errorsOf, load, makeContext, withClients, withRules, type World } from "./support.ts";

const test = suite("loadPolicy()");
const head = "version: 1\nname: test\n";
const digest = "ab".repeat(32);

const rule = (text: string) => withRules(`{name: r, tools: [t], effect: allow, ${text}}`);
const denyRule = (text: string) => withRules(`{name: r, tools: [t], effect: deny, ${text}}`);
const matcher = (text: string) => rule(`args: {a: ${text}}`);

interface Refusal {
  readonly name: string;
  readonly text: string;
  readonly says: RegExp;
  readonly world?: World;
}

const refusals: readonly Refusal[] = [
  // What YAML can do and we do not.
  { name: "an empty file", text: "", says: /^1:1 The file holds no policy/ },
  { name: "a list", text: "- a", says: /no policy/ },
  { name: "an anchor", text: `${head}audit: &a {file: /x}`, says: /^3:8 Anchors/ },
  { name: "an alias", text: `${head}audit: *a`, says: /^3:8 Aliases/ },
  { name: "a tag", text: `${head}default: !!str allow`, says: /^3:10 Tags/ },
  { name: "a merge key", text: `${head}<<: {mode: observe}`, says: /^3:1 Merge keys/ },
  { name: "a merge key in a record", text: rule("args: {<<: {a: {present: true}}}"), says: /Merge keys/ },
  { name: "a second document", text: `${head}---\nmode: observe`, says: /^3:1 A second document/ },
  { name: "a document after the end", text: `${head}...\nmode: observe`, says: /^3:1 A second document/ },
  { name: "a directive", text: `%YAML 1.1\n---\n${head}`, says: /^1:1 Directives/ },
  { name: "a key given twice", text: `${head}name: other`, says: /^3:1 Key 'name' was given before/ },
  { name: "a complex key", text: `${head}? [a]\n: b`, says: /^3:1 Keys marked with/ },
  { name: "a bare carriage return, named as one", text: `${head}default: |\r`, says: /^3:11 .*: \\u\{d\}$/ },
  { name: "deep nesting", text: `${head}audit: ${"[".repeat(200)}`, says: /Nested too deeply/ },
  { name: "deep nesting in lines", text: `${head}rules: ${"- ".repeat(5000)}`, says: /Nested too deeply/ },
  { name: "a long file", text: head + "#".repeat(600_000), says: /longer than/ },
  { name: "a bidirectional override", text: `${head}# \u202e`, says: /^3:3 Invisible character '\\u{202e}'/ },
  { name: "a byte order mark", text: `\ufeff${head}`, says: /^1:1 Invisible character/ },
  { name: "a NUL", text: `${head}\0`, says: /Invisible character/ },
  {
    name: "a NUL by escape",
    text: `${head}server: {command: ["a\\0b"]}`,
    says: /'a\\u\{0\}b' must be a text without NUL/,
  },
  { name: "an inexact number", text: matcher("{min: 9007199254740993}"), says: /cannot be held exactly/ },
  { name: "infinity", text: matcher("{max: .inf}"), says: /cannot be held exactly/ },

  // Words.
  { name: "an unknown key", text: `${head}rule: []`, says: /^3:1 Unknown key 'rule' in the policy/ },
  {
    name: "a key named __proto__",
    text: `${head}__proto__: {mode: observe}`,
    says: /Unknown key '__proto__'/,
  },
  { name: "a key named constructor", text: matcher("{constructor: 1}"), says: /Unknown key 'constructor'/ },
  { name: "an empty value", text: `${head}default:`, says: /'default'/ },
  { name: "no version", text: "name: x", says: /'version' is missing/ },
  { name: "another version", text: "version: 2\nname: x", says: /^1:10 'version': must be 1/ },
  {
    name: "a rule without a name",
    text: withRules("{tools: [a], effect: allow}"),
    says: /'name' is missing in a rule/,
  },
  { name: "a rule without an effect", text: withRules("{name: a, tools: [a]}"), says: /'effect' is missing/ },
  {
    name: "two rules of one name",
    text: withRules(...Array(2).fill("{name: a, tools: [a], effect: allow}")),
    says: /Two rules/,
  },
  {
    name: "a name with a dot, as sections have",
    text: withRules("{name: a.b, tools: [a], effect: allow}"),
    says: /'a.b' must be/,
  },
  { name: "a digest in capitals", text: `${head}server: {files: {./a: ${"A".repeat(64)}}}`, says: /sha256/ },
  { name: "a day that is not", text: `${head}expires: 2026-02-30`, says: /no such day/ },
  { name: "a long grace", text: `${head}server: {stop: {grace: 5m}}`, says: /longer than a minute/ },
  { name: "a relative audit file", text: `${head}audit: {file: x.jsonl}`, says: /not absolute/ },
  { name: "no program", text: `${head}server: {command: []}`, says: /names no program/ },
  { name: "no digest", text: `${head}server: {executable: {sha256: []}}`, says: /nothing could ever start/ },
  {
    name: "a method allowed and denied",
    text: `${head}methods: {allow: [a/b], deny: [a/b]}`,
    says: /allowed and denied/,
  },

  // Rules that cannot mean anything.
  { name: "no tools", text: withRules("{name: a, tools: [], effect: allow}"), says: /can never match/ },
  {
    name: "hide with args",
    text: withRules("{name: a, tools: [a], effect: hide, args: {b: {equals: 1}}}"),
    says: /cannot depend on arguments/,
  },
  { name: "a message of an allow rule", text: rule("message: x"), says: /'message' has no use/ },
  { name: "other_args without args", text: rule("other_args: allow"), says: /'other_args' has no use/ },
  {
    name: "other_args in a deny rule",
    text: denyRule("other_args: allow, args: {a: {equals: 1}}"),
    says: /no use/,
  },
  {
    name: "some in an allow rule",
    text: rule("args: {some(a): {equals: 1}}"),
    says: /'some' cannot be used/,
  },
  {
    name: "every in a deny rule",
    text: denyRule("args: {every(a): {equals: 1}}"),
    says: /'every' cannot be used/,
  },
  {
    name: "a wildcard without a word",
    text: rule('args: {"**": {equals: 1}}'),
    says: /every\(\*\*\) or some\(\*\*\)/,
  },
  { name: "an empty path part", text: rule("args: {a..b: {equals: 1}}"), says: /no empty parts/ },
  { name: "a bad JSON Pointer", text: rule('args: {"/a~2": {equals: 1}}'), says: /'~0' or '~1'/ },
  { name: "empty args", text: rule("args: {}"), says: /'args' is empty/ },
  { name: "an empty matcher", text: matcher("{}"), says: /The matcher is empty/ },
  { name: "an empty in", text: matcher("{in: []}"), says: /'in' is empty/ },
  { name: "an empty any", text: matcher("{any: []}"), says: /'any' is empty/ },
  { name: "min over max", text: matcher("{min: 3, max: 2}"), says: /'min' is larger than 'max'/ },
  { name: "a number and a text", text: matcher("{min: 3, glob: a}"), says: /a number and a text/ },
  {
    name: "absent beside another word",
    text: matcher("{absent: true, equals: 1}"),
    says: /can never hold together/,
  },
  {
    name: "absent: ok in a deny rule",
    text: denyRule("args: {a: {absent: ok, equals: 1}}"),
    says: /belongs into allow rules/,
  },
  { name: "not present", text: matcher("{not: {present: true}}"), says: /'not' of 'present'/ },
  { name: "a relative folder", text: matcher("{under: src}"), says: /not absolute/ },
  { name: "a folder with dots", text: matcher("{under: /a/../b}"), says: /it has '\.\.'/ },
  {
    name: "a locked folder",
    text: matcher("{under: /locked/a}"),
    says: /cannot be resolved/,
    world: { locked: ["/locked"] },
  },
  {
    name: "a relative exception",
    text: matcher('{under: {root: /a, except: [".env*"]}}'),
    says: /can never match/,
  },
  { name: "a glob that does not end", text: matcher('{glob: "[a"}'), says: /'\[' without '\]'/ },
  {
    name: "a glob that explodes",
    text: matcher(`{glob: "${"{a,b}".repeat(9)}"}`),
    says: /too many alternatives/,
  },
  { name: "a regex with look-ahead", text: matcher('{regex: "(?=a)b"}'), says: /cannot be read/ },
  { name: "a regex with a back-reference", text: matcher('{regex: "(a)\\\\1"}'), says: /cannot be read/ },
  {
    name: "a regex that explodes",
    text: matcher('{regex: "((a{1000}){1000}){1000}"}'),
    says: /cannot be read/,
  },
  { name: "a host with a port", text: matcher('{host: "a.b:80"}'), says: /is not a host/ },
  { name: "a host with a user", text: matcher('{host: "a@b"}'), says: /is not a host/ },
  {
    name: "a resource with dots",
    text: `${head}resources: {allow: ["demo://a/../b"]}`,
    says: /can never match/,
  },
  {
    name: "a resource without scheme",
    text: `${head}resources: {allow: [/a/b]}`,
    says: /a URI with its scheme/,
  },
  {
    name: "a file resource on a host",
    text: `${head}resources: {allow: ["file://host/a"]}`,
    says: /absolute path/,
  },

  // Variables.
  {
    name: "an undefined variable",
    text: matcher("{equals: $NOPE}"),
    says: /Variable '\$NOPE' is not defined/,
  },
  {
    name: "a variable of Object",
    text: matcher("{equals: $constructor}"),
    says: /'\$constructor' is not defined/,
  },
  {
    name: "a project that is /",
    text: matcher("{under: $PROJECT}"),
    says: /holds the whole home/,
    world: { variables: { PROJECT: "/" } },
  },
  {
    name: "a project that is the home",
    text: matcher("{under: $PROJECT}"),
    says: /whole home/,
    world: { variables: { PROJECT: "/home/me" } },
  },
  {
    name: "a project above the home",
    text: matcher("{under: $PROJECT}"),
    says: /whole home/,
    world: { variables: { PROJECT: "/home" } },
  },
  {
    name: "a project that leads home",
    text: matcher("{under: $PROJECT}"),
    says: /whole home/,
    world: { variables: { PROJECT: "/x" }, links: { "/x": "/home/me" } },
  },
  {
    name: "a variable with a newline",
    text: matcher("{equals: $X}"),
    says: /characters/,
    world: { variables: { X: "a\nb" } },
  },
];

for (const { name, text, says, world } of refusals) {
  test(`${name} is refused`, async () => {
    const errors = await errorsOf(text, world);
    assert.ok(errors.some((error) => says.test(error)), `none of ${JSON.stringify(errors)} says ${says}`);
  });
}

const later: readonly (readonly [string, string])[] = [
  ...["extends", "pins", "responses", "approvals"].map((key) => [key, `${head}${key}: {}`] as const),
  ...["when", "bind", "claim", "approval", "rate"].map((key) => [key, rule(`${key}: x`)] as const),
  ["on-crash", `${head}server: {restart: on-crash}`],
  ["strict", `${head}audit: {durability: strict}`],
  ["approve", withRules("{name: a, tools: [a], effect: approve}")],
  ["approve", withClients("{name: a, on_new_digest: approve}")],
];
for (const [word, text] of later) {
  test(`'${word}' is refused as not supported yet: ${JSON.stringify(text.slice(20, 60))}`, async () => {
    const errors = await errorsOf(text);
    assert.ok(errors.some((error) => error.includes(`'${word}' is not supported yet`)), errors.join("\n"));
  });
}

test("all errors are told at once, in the order of the file, with what to write instead", async () => {
  const text = `version: 1
nmae: x
default: alow
rules:
  - name: a
    tols: [b]
    effect: allow
    args: {p: {glbo: x}, q: {glob: "["}}
  - name: b
    tools: [b]
    effect: deny
    args: {q: {regex: "("}}
`;
  const { problems } = await loadPolicy(text, "p.yaml", makeContext());
  assert.equal(problems.map(({ line, column, message, hint }) => `${line}:${column} ${message} | ${hint}`), [
    "1:1 'name' is missing in the policy | The server's name, for audit and sockets: 1 to 64 letters, digits, '.', " +
    "'_' or '-', beginning with a letter or digit",
    "2:1 Unknown key 'nmae' in the policy | Did you mean 'name'?",
    "3:10 'default' cannot be 'alow' | Did you mean 'allow'?",
    "5:5 'tools' is missing in a rule | Exact tool names, or globs such as read_*: a list such as [a, b]",
    "6:5 Unknown key 'tols' in a rule | Did you mean 'tools'?",
    "8:16 Unknown key 'glbo' in a matcher | Did you mean 'glob'?",
    "8:36 Glob '[' cannot be read: '[' without ']' | undefined",
    "12:23 Regular expression '(' cannot be read: missing closing ): `(` | RE2 has no look-around and no back-references",
  ]);
});

test("a hundred problems are enough", async () => {
  const text = head + Array.from({ length: 500 }, (_, index) => `x${index}: 1\n`).join("");
  const { problems } = await loadPolicy(text, "p.yaml", makeContext());
  assert.is(problems.length, 101);
  assert.is(problems.at(-1)!.message, "There are more problems than are shown");
});

test("what the sections say is handed on", async () => {
  const policy = await load(`${head}trust_domain: example.org
expires: 2027-06-30
mode: observe
server:
  command: [node, ./server.js, $PROJECT]
  cwd: sub
  executable: {sha256: ${digest}}
  files: {./server.js: "${digest}", $HOME/x: "${digest}"}
  env: {preset: npx, pass: [PATH], set: {ROOT: $PROJECT, __proto__: x}}
  stop: {grace: 500ms}
  restart: never
  stdio: pipe
audit: {file: ~/a.jsonl, durability: group, on_failure: continue, arguments: digest}
`);
  assert.is(policy.trustDomain, "example.org");
  assert.is(policy.expires, Date.parse("2027-07-01T00:00:00Z"));
  assert.is(policy.mode, "observe");
  const { server } = policy;
  assert.equal(server.command, ["node", "./server.js", "/home/me/project"]);
  assert.is(server.cwd, "/home/me/project/sub");
  assert.equal(server.executableDigests, [digest]);
  assert.equal(Object.entries(server.files), [["/home/me/project/sub/server.js", digest], [
    "/home/me/x",
    digest,
  ]]);
  assert.equal(Object.entries(server.env.set), [["ROOT", "/home/me/project"], ["__proto__", "x"]]);
  assert.equal([server.env.preset, server.env.pass], ["npx", ["PATH"]]);
  assert.equal([server.stopGraceMs, server.stdio], [500, "pipe"]);
  assert.equal(policy.audit, { file: "/home/me/a.jsonl", durability: "group", onFailure: "continue" });
});

test("what is not said has a safe default", async () => {
  const policy = await load(head);
  assert.is(policy.mode, "enforce");
  assert.is(policy.audit.onFailure, "deny");
  assert.is(policy.server.stdio, "socket");
  assert.is(policy.server.executableDigests, undefined);
  assert.is(policy.decide({ kind: "tool", name: "x", args: {} }).effect, "deny");
  assert.is(policy.decide({ kind: "from-server", feature: "sampling" }).effect, "deny");
});

test("a relative path starts from the server's folder", async () => {
  const rules = withRules(
    "{name: a, tools: [t], effect: allow, args: {p: {under: {root: $PROJECT/sub, relative: ok}}}}",
  );
  const ask = { kind: "tool", name: "t", args: { p: "a" } } as const;
  assert.is((await load(rules)).decide(ask).effect, "deny");
  assert.is((await load(`${rules}server: {cwd: sub}\n`)).decide(ask).effect, "allow");
});

test("an allow rule without effect is a warning", async () => {
  const text = withRules(
    "{name: a, tools: [x, read_a], effect: allow}",
    "{name: b, tools: [x], effect: deny}",
    '{name: c, tools: ["read_*"], effect: hide}',
  );
  const { policy, problems } = await loadPolicy(text, "p.yaml", makeContext());
  assert.ok(policy);
  assert.equal(problems.map(({ severity, message }) => `${severity} ${message}`), [
    "warning Rule 'a' never allows 'x': 'b' says 'deny'",
    "warning Rule 'a' never allows 'read_a': 'c' says 'hide'",
  ]);
});

test("the JSON Schema in the repository is the language's", () => {
  const stored = readFileSync(new URL("../../policy/policy.schema.json", import.meta.url), "utf8");
  // To renew it: npx tsx wrappers/cli.ts policy schema > policy/policy.schema.json
  assert.equal(JSON.parse(stored), JSON.parse(JSON.stringify(policySchema())));
});

test("every word of a matcher has its judge, and no judge is without a word", () => {
  const structural = ["present", "absent", "all", "any", "not"];
  assert.equal([...WORDS.keys(), ...structural].sort(), [...MATCHER_WORDS].sort());
});

test("YAML and RE2 are loaded only when they are needed", () => {
  const folder = new URL("../../policy/", import.meta.url);
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const source = readFileSync(new URL(file, folder), "utf8");
    const statics = Array.from(
      source.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"/gm),
      (match) => match[1]!,
    );
    for (const name of statics) {
      if (file !== "parse.ts") assert.ok(name.startsWith("."), `${file} imports ${name}`);
      assert.not.match(name, /re2js/);
      assert.not.match(name, /\/parse\.ts$/);
    }
  }
});

test.run();
