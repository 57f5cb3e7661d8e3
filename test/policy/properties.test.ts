import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy, type PolicyRequest } from "../../policy/mod.ts";
import { compileGlob, overlaps } from "../../policy/match/glob.ts";
import { parseGlob } from "../../policy/match/glob-parse.ts";
import { flawOfPath, isInside, normalise } from "../../policy/match/path.ts";
import { parseUri } from "../../policy/match/uri.ts";
import { load, makeContext, withRules } from "./support.ts";

const test = suite("policy, whatever comes");

const sample = `version: 1
name: sample
rules:
  - name: a
    tools: [read, "list_*"]
    args: {path: {under: {root: $PROJECT, except: ["**/.env*"]}}, "every(x.*)": {regex: "^a+$"}}
    effect: allow
  - {name: b, tools: [read], effect: deny, args: {n: {any: [{min: 3}, {not: {equals: "1"}}]}}, message: No}
resources: {allow: ["file://$PROJECT/**"], deny: ["demo://x/*"]}
`;

/** Bits of the language and of YAML, so that arbitrary texts get past the first line. */
const pieces = fc.constantFrom(
  ...sample.split(/(?<=[ \n:{}[\],"])/),
  ..."&*!|>?-#%@`\t\r\n\"'{}[],:~$\\\0\u2028\ufeff\ud800".split(""),
  "<<: ",
  "--- ",
  "\n...\n",
  "9".repeat(400),
  "1e999",
  "$UNKNOWN",
  "${",
  "__proto__: ",
);
const texts = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join("")),
  // A good policy with something in it, or without something.
  fc.tuple(fc.nat(sample.length), fc.nat(20), fc.array(pieces, { maxLength: 3 })).map(([at, length, parts]) =>
    sample.slice(0, at) + parts.join("") + sample.slice(at + length)
  ),
);

test("the loader answers every text with a policy or with errors, and with nothing unforeseen", async () => {
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const { policy, problems } = await loadPolicy(text, "x.yaml", makeContext());
      const errors = problems.filter((problem) => problem.severity === "error");
      assert.is(policy === undefined, errors.length > 0);
      for (const { line, column, message } of problems) {
        assert.ok(line >= 1 && column >= 1, message);
        // What loadPolicy says of an exception that nobody foresaw.
        assert.not.match(message, /^The policy cannot be read/);
        assert.not.match(message, /[\p{Cc}\u2028\u202e]/u);
      }
    }),
    { numRuns: 1500 },
  );
});

test("the loader takes no longer than a moment for texts made to be slow", async () => {
  const many = 100_000;
  const slow = [
    "a: ".repeat(many),
    "[".repeat(many),
    "{".repeat(many),
    "- ".repeat(many),
    '"'.repeat(many),
    "a\n".repeat(many),
    "a:\n".repeat(many),
    Array.from({ length: 900 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join(""),
    `version: 1\nname: x\nrules:\n${"  - {name: a, tools: [b], effect: allow}\n".repeat(5000)}`,
    `version: 1\nname: x\nprompts: {allow: [${
      Array.from({ length: 20_000 }, (_, i) => `a${i}`).join(", ")
    }]}`,
    withRules(`{name: a, tools: [b], effect: allow, args: {a: {glob: "${"*a".repeat(20_000)}"}}}`),
    withRules(`{name: a, tools: [b], effect: allow, args: {a: {regex: "${"(a|b)*".repeat(2000)}"}}}`),
    withRules(`{name: a, tools: [b], effect: allow, args: {a: {equals: "${"${".repeat(20_000)}"}}}`),
    `version: 1\nname: x\n${"zzzzzzzzzzzzzzzzzzzz".repeat(3)}: 1\n`.repeat(2000),
  ];
  for (const text of slow) {
    const start = performance.now();
    await loadPolicy(text, "x.yaml", makeContext());
    const took = performance.now() - start;
    assert.ok(took < 5000, `${took.toFixed(0)} ms for ${text.slice(0, 40)}`);
  }
});

const rulePool = [
  "{name: r0, tools: [t], effect: allow}",
  "{name: r1, tools: [t], effect: allow, args: {a: {equals: 1}}}",
  "{name: r2, tools: ['*'], effect: allow, args: {a: {absent: ok, min: 0}, b: {absent: ok, glob: 'x*'}}}",
  "{name: r3, tools: [t], effect: deny, args: {a: {equals: 2}}, message: two}",
  "{name: r4, tools: ['t*'], effect: deny, args: {'some(**)': {glob: 'y*'}}, message: why}",
  "{name: r5, tools: [u], effect: hide}",
  "{name: r6, tools: [t], effect: deny, args: {b: {not: {type: string}}}, message: type}",
  "{name: r7, tools: [u, t], effect: allow, args: {a: {type: [integer, 'null']}}, other_args: allow}",
];
const values = fc.oneof(
  fc.constantFrom(0, 1, 2, -1, null, true, "x", "xy", "y", "", [], {}),
  fc.array(fc.constantFrom("x", "y", 1), { maxLength: 3 }),
);
const argumentsOf = fc.option(fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), values), {
  nil: undefined,
});

test("the order of the rules never changes a decision", async () => {
  const orders = fc.shuffledSubarray(rulePool, { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(orders, fc.constantFrom("t", "u", "v"), argumentsOf, async (rules, name, args) => {
      const request: PolicyRequest = { kind: "tool", name, args };
      const one = (await load(withRules(...rules))).decide(request);
      const other = (await load(withRules(...rules.slice().sort()))).decide(request);
      assert.equal({ ...one, rules: [...one.rules].sort() }, { ...other, rules: [...other.rules].sort() });
    }),
    { numRuns: 500 },
  );
});

test("a rule with closed arguments never allows one that it does not name", async () => {
  const policy = await load(withRules(
    "{name: a, tools: [t], effect: allow, args: {a: {absent: ok, present: true}, b.c: {absent: ok, present: true}}}",
  ));
  const anything = fc.dictionary(
    fc.constantFrom("a", "b", "c", "A", "a ", "", "__proto__", "constructor", "toString"),
    fc.oneof(values, fc.dictionary(fc.constantFrom("c", "d", "__proto__"), values)),
  );
  fc.assert(fc.property(anything, (args) => {
    const named = Object.keys(args).every((name) => name === "a" || name === "b");
    const inner = Object.hasOwn(args, "b") ? args["b"] : undefined;
    const allowed = policy.decide({ kind: "tool", name: "t", args }).effect === "allow";
    if (!named) assert.not(allowed, JSON.stringify(args));
    const isObject = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    if (isObject) assert.is(allowed, named && Object.keys(inner).join() === "c", JSON.stringify(args));
  }));
});

test("deciding and explaining never throw, and never allow while a deny rule may match", async () => {
  const policy = await load(withRules(...rulePool));
  fc.assert(
    fc.property(
      fc.string(),
      fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: undefined }),
      (name, args) => {
        for (const tool of ["t", "u", name]) {
          const { decision, rules } = policy.explain({
            kind: "tool",
            name: tool,
            args: args as Record<string, unknown>,
          });
          const refusing = rules.filter((rule) => rule.effect !== "allow" && rule.outcome !== "no");
          if (refusing.length > 0) assert.equal([...decision.rules], refusing.map((rule) => rule.name));
          assert.is(
            decision.effect === "deny",
            refusing.length > 0 || !rules.some((rule) => rule.outcome === "yes"),
          );
        }
      },
    ),
  );
});

/** The plainest possible glob, exponential and obviously right. */
function matches(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern.startsWith("**")) {
    return matches(pattern.slice(2), text) || text !== "" && matches(pattern, text.slice(1));
  }
  if (pattern.startsWith("*")) {
    return matches(pattern.slice(1), text) ||
      text !== "" && text[0] !== "/" && matches(pattern, text.slice(1));
  }
  const one = pattern[0] === "?" ? text !== "" && text[0] !== "/" : pattern[0] === text[0];
  return one && matches(pattern.slice(1), text.slice(1));
}

const globs = fc.array(fc.constantFrom("a", "b", "/", "*", "**", "?"), { maxLength: 8 }).map((parts) =>
  parts.join("")
)
  // Without folders that may be none, and runs of stars, which mean the same in another way.
  .filter((pattern) => !/\*{3}|(^|\/)\*\*\//.test(pattern));
const subjects = fc.array(fc.constantFrom("a", "b", "/"), { maxLength: 8 }).map((parts) => parts.join(""));

test("a glob matches what the plainest implementation matches", () => {
  fc.assert(
    fc.property(globs, subjects, (pattern, text) => {
      assert.is(
        compileGlob(parseGlob(pattern, { mode: "path" }))(text),
        matches(pattern, text),
        `${pattern} ${text}`,
      );
    }),
    { numRuns: 5000 },
  );
});

test("two globs that match one text overlap", () => {
  fc.assert(
    fc.property(globs, globs, subjects, (one, other, text) => {
      if (!matches(one, text) || !matches(other, text)) return;
      const [a, b] = [one, other].map((pattern) => parseGlob(pattern, { mode: "path" }));
      assert.ok(
        a!.some((tokens) => b!.some((others) => overlaps(tokens, others))),
        `${one} ${other} ${text}`,
      );
    }),
    { numRuns: 5000 },
  );
});

test("a hostile text cannot make a glob slow", () => {
  const glob = compileGlob(parseGlob("**a**a**a**a**a**a**a**b?", { mode: "path" }));
  const start = performance.now();
  assert.is(glob("a".repeat(200_000)), false);
  assert.ok(performance.now() - start < 2000);
  assert.is(glob("a".repeat(5_000_000)), undefined);
});

const pathPieces = fc.constantFrom(
  "/",
  "//",
  "/./",
  "..",
  ".",
  "a",
  "project",
  "home",
  "me",
  "~",
  "\\",
  "%2e",
  " ",
  "\0",
  "é",
);
const paths = fc.array(pathPieces, { maxLength: 10 }).map((parts) => `/home/me/project/${parts.join("")}`);

test("what has no flaw and is inside stays inside, however it is normalised", () => {
  fc.assert(fc.property(paths, (path) => {
    if (flawOfPath(path, false) !== undefined) return;
    // The URL parser of the platform as a second opinion on what the path means.
    const second = new URL(`file://${path.split("/").map(encodeURIComponent).join("/")}`).pathname;
    const meant = normalise(decodeURIComponent(second));
    assert.is(normalise(path), meant);
    assert.ok(isInside(normalise(path), "/home/me/project"));
  }));
});

test("every URI is parsed or flawed, and a canonical one has no dots and nothing to decode", () => {
  const uriPieces = fc.constantFrom(
    "demo:",
    "//",
    "/",
    "..",
    ".",
    "%2e",
    "%2F",
    "%",
    "%25",
    "a",
    "é",
    "?",
    "#",
    "\\",
    "\0",
    "@",
    "file:",
  );
  const uris = fc.oneof(fc.string(), fc.array(uriPieces, { maxLength: 10 }).map((parts) => parts.join("")));
  fc.assert(fc.property(uris, (uri) => {
    const parsed = parseUri(uri);
    if (parsed.kind === "file") assert.is(flawOfPath(parsed.path, false), undefined);
    if (parsed.kind !== "other") return;
    const [path = ""] = parsed.canonical.split("?");
    assert.not.match(path.replace(/^[^:]*:(\/\/[^/]*)?/, ""), /(^|\/)\.{1,2}(\/|$)|%[0-9a-f]{2}/i);
  }));
});

test.run();
