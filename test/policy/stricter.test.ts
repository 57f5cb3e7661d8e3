/** A session that lives through a reload: nothing is allowed that either policy denies. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Policy, type PolicyRequest, stricter } from "../../policy/mod.ts";
import { load } from "./support.ts";

const test = suite("stricter()");

const TOOLS = ["read", "write", "search"];
const METHODS = ["tools/list", "completion/complete", "acme/one", "acme/two"];
const requests = fc.oneof(
  fc.record({
    kind: fc.constant("tool" as const),
    name: fc.constantFrom(...TOOLS),
    args: fc.record({ n: fc.constantFrom(1, 2, 3) }),
  }),
  fc.record({ kind: fc.constant("resource" as const), uri: fc.constantFrom("demo://a/1", "demo://b/1") }),
  fc.record({ kind: fc.constant("prompt" as const), name: fc.constantFrom("p", "q") }),
  fc.record({ kind: fc.constant("method" as const), method: fc.constantFrom(...METHODS) }),
  fc.record({
    kind: fc.constant("from-server" as const),
    feature: fc.constantFrom("sampling" as const, "roots" as const),
  }),
) as fc.Arbitrary<PolicyRequest>;

const effects = fc.constantFrom("allow", "deny", "hide");
const rule = fc.record({ tool: fc.constantFrom(...TOOLS), effect: effects, max: fc.option(fc.nat(3)) });
const policies = fc.record({
  rules: fc.array(rule, { maxLength: 4 }),
  fallback: fc.constantFrom("allow", "deny"),
  mode: fc.constantFrom("enforce", "observe"),
  resources: fc.constantFrom("allow", "deny"),
  prompts: fc.constantFrom("p", "q", "*"),
  methods: fc.constantFrom("{}", "{allow: [acme/one]}", "{deny: [completion/complete]}"),
}).map(({ rules, fallback, mode, resources, prompts, methods }) =>
  `version: 1
name: some
mode: ${mode}
default: ${fallback}
resources: {${resources}: ["demo://a/**"]}
prompts: {allow: ["${prompts}"]}
methods: ${methods}
rules: [${
    rules.map(({ tool, effect, max }, index) =>
      `{name: r${index}, tools: [${tool}], effect: ${effect}` +
      `${max === null || effect === "hide" ? "" : `, args: {n: {max: ${max}}}`}}`
    ).join(", ")
  }]
`
);

/** What the gate makes of it: a denial passes in observe mode, save that of a method. */
function passes(policy: Policy, request: PolicyRequest): boolean {
  const { effect, reason } = policy.decide(request);
  if (request.kind !== "method") return effect === "allow" || policy.mode === "observe";
  return effect === "allow" && (!request.method.startsWith("acme/") || reason === "section");
}

test("what passes passes both, and what passes both passes", async () => {
  await fc.assert(
    fc.asyncProperty(policies, policies, requests, async (first, second, request) => {
      const [before, now] = await Promise.all([load(first), load(second)]);
      const both = stricter(before, now);
      assert.is(passes(both, request), passes(before, request) && passes(now, request));
    }),
    { numRuns: 600 },
  );
});

test("what is shown is shown by each one that enforces", async () => {
  await fc.assert(
    fc.asyncProperty(policies, policies, fc.constantFrom(...TOOLS), async (first, second, tool) => {
      const [before, now] = await Promise.all([load(first), load(second)]);
      const hides = [before, now].some((one) => one.mode === "enforce" && !one.showsTool(tool));
      const both = stricter(before, now);
      assert.is(both.mode === "enforce" && !both.showsTool(tool), hides);
      assert.is(
        both.mode === "enforce" && !both.showsPrompt("p"),
        [before, now].some((one) => one.mode === "enforce" && !one.showsPrompt("p")),
      );
    }),
    { numRuns: 300 },
  );
});

test("arguments are read, and their names known, for either", async () => {
  const reading = (tool: string, name: string) =>
    `name: ${tool}s, rules: [{name: r, tools: [${tool}], effect: allow, args: {${name}: {present: true}}}]`;
  const before = await load(`{version: 1, ${reading("read", "a")}}`);
  const now = await load(`{version: 1, expires: 2030-01-01, ${reading("write", "b")}}`);
  const both = stricter(before, now);
  assert.equal(TOOLS.map((tool) => both.readsArguments(tool)), [true, true, false]);
  assert.equal([both.argumentNames("read"), both.argumentNames("write")], [["a"], ["b"]]);
  assert.equal([both.name, both.expires], ["writes", now.expires]);
});

test.run();
