/** What holds of admission whatever the evidence: it is the peer's to shape, as far as the kernel lets it. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type {
  Admission,
  AdmissionWorld,
  ClientEvidence,
  Clients,
  ProcessFacts,
  RuntimeKind,
} from "../../policy/mod.ts";
import { absent, type Fact, type Grade, GRADES, isKnown, known, lower, reaches } from "../../policy/fact.ts";
import { compileWildcard } from "../../policy/admit/forbid/wildcard.ts";
import { RUNTIME_KINDS } from "../../policy/admit/runtime.ts";
import { digest, peer, type ToldPeer } from "./evidence.ts";
import { load, withClients } from "./support.ts";

const test = suite("admission, whatever comes");
const [A, B, C, D] = ["@a", "@b", "@c", "@d"].map(digest) as [string, string, string, string];

/** One entry each, so that a match of another one hides nothing; and a peer that it admits, to begin from. */
const ENTRIES: readonly (readonly [entry: string, welcome: ToldPeer, via?: "shim"])[] = [
  [`{name: measured, executable: {sha256: [${A}, trust:agent]}}`, { sha256: "@b", runtime: "bun-compiled" }],
  [`{name: lineage, executable: {sha256: ${A}, path: /opt/agent}, grade: lineage}`, {}],
  [
    "{name: packaged, executable: {path: /opt/agent, immutable: true}, grade: immutable}",
    { path: { grade: "immutable" }, immutable: true },
  ],
  [
    `{name: heuristic, executable: {sha256: [${A}, ${B}]}, grade: heuristic, env_ok: [LD_PRELOAD]}`,
    { loaders: ["LD_PRELOAD"] },
  ],
  [
    `{name: script, grade: heuristic, executable: {sha256: ${A}}, script: {sha256: [${C}, trust:agent], path: /opt/a.js}}`,
    { runtime: "node", script_path: "/opt/a.js", script_sha256: "@c" },
  ],
  [
    `{name: parents, parents: [any-number, {executable: {sha256: ${B}}}, any, {executable: {sha256: trust:agent}}]}`,
    { ancestors: [{}, { sha256: "@b" }, {}, { sha256: "@b" }, {}] },
  ],
  [
    `{name: both, executable: {sha256: ${A}}, parents: [{executable: {sha256: ${B}}}], argv: {forbid: [a b]}}`,
    { ancestors: [{ sha256: "@b" }], argv: ["agent", "a", "c", "b"] },
  ],
  [
    `{name: forbid, executable: {sha256: ${A}}, forbid: ["unix:path:/tmp/*", "proc:env:*", "chain:any:sha256:${D}"]}`,
    { ancestors: [{ sha256: "@b" }, { uid: 0, sha256: { absent: "EACCES" } }], end: "other-uid" },
  ],
  [`{name: group, gid: [5, 27], forbid: ["unix:supplementary_gid:9*", "ns:pid:other"]}`, {
    selectors: ["ns:pid:same"],
  }],
  [
    `{name: waived, executable: {sha256: ${A}}, grade: lineage, proof: not-required}`,
    { transport: "stdio-socket" },
  ],
  [`{name: first, executable: {sha256: ${A}}, grade: heuristic, sender: first}`, {}],
  [`{name: shim, executable: {sha256: ${A}}, grade: lineage, via: shim}`, {}, "shim"],
];
const clients: readonly Clients[] = await Promise.all(
  ENTRIES.map(async ([entry]) => (await load(withClients(entry))).clients!),
);

const WORLD: AdmissionWorld = {
  via: "direct",
  trusted: (name) => name === "agent" ? [{ sha256: B, tested: true }, { sha256: C, tested: false }] : [],
};

const grades = fc.constantFrom<Grade>(...GRADES);
/** Mostly what such a fact has with an ordinary peer, so that entries match often enough. */
function facts<T>(values: fc.Arbitrary<T>, ordinary: Grade): fc.Arbitrary<Fact<T>> {
  return fc.oneof(
    { weight: 6, arbitrary: values.map((value) => known(value, ordinary)) },
    { weight: 1, arbitrary: fc.tuple(values, grades).map(([value, grade]) => known(value, grade)) },
    { weight: 1, arbitrary: fc.constantFrom("not-gathered", "/home/me/secret", "").map(absent) },
  );
}
const mostly = <T>(value: T, ...others: T[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, {
    weight: 1,
    arbitrary: fc.constantFrom(...others),
  });
const ids = mostly(1000, 0, 5, 27, 65534);
const digests = fc.constantFrom(A, B, C, D);
const names = fc.array(fc.constantFrom("LD_PRELOAD", "NODE_OPTIONS"), { maxLength: 1 });

const processes: fc.Arbitrary<ProcessFacts> = fc.record({
  uid: facts(mostly(1000, 0), "kernel"),
  gid: facts(ids, "kernel"),
  groups: facts(fc.array(fc.constantFrom(5, 27, 90), { maxLength: 2 }), "kernel"),
  executable: fc.record({
    path: facts(mostly("/opt/agent", "/tmp/agent", ""), "measured"),
    sha256: facts(digests, "measured"),
    immutable: facts(fc.constant(true as const), "immutable"),
    runtime: facts(mostly<RuntimeKind>("native", ...RUNTIME_KINDS), "measured"),
  }),
  script: fc.record({
    path: facts(mostly("/opt/a.js", "/tmp/a.js"), "heuristic"),
    sha256: facts(digests, "heuristic"),
  }),
  argv: facts(fc.array(fc.constantFrom("a", "b", "a b", ""), { maxLength: 4 }), "heuristic"),
  loaders: facts(names, "heuristic"),
  mappings: facts(fc.array(fc.constant("/home/me/x.so"), { maxLength: 1 }), "heuristic"),
});
const evidences: fc.Arbitrary<ClientEvidence> = fc.record({
  transport: fc.constantFrom("unix", "stdio-socket", "stdio-pipe", "tcp", ""),
  credentials: facts(fc.record({ pid: fc.constant(1), uid: mostly(1000, 0), gid: ids }), "kernel"),
  process: fc.oneof(
    { weight: 9, arbitrary: processes },
    { weight: 1, arbitrary: fc.constant(absent("gone")) },
  ),
  lineage: fc.record({
    ancestors: fc.array(processes, { maxLength: 20 }),
    end: fc.constantFrom("init", "other-uid", "broken", "budget", "pending", "depth"),
  }),
  selectors: fc.array(fc.constantFrom("ns:pid:same", "ns:pid:other", "proc:env:X", "", ":"), {
    maxLength: 3,
  }),
});

/** Every fact of the evidence but the account's, by the path of its keys. */
function factPaths(evidence: ClientEvidence): readonly (readonly (string | number)[])[] {
  const ofProcess = (at: readonly (string | number)[], process: ClientEvidence["process"]) =>
    "absent" in process ? [] : [
      ...["path", "sha256", "immutable", "runtime"].map((key) => [...at, "executable", key]),
      ...["path", "sha256"].map((key) => [...at, "script", key]),
      ...["argv", "loaders", "mappings", "groups"].map((key) => [...at, key]),
    ];
  return [
    ...ofProcess(["process"], evidence.process),
    ...evidence.lineage.ancestors.flatMap((ancestor, at) =>
      ofProcess(["lineage", "ancestors", at], ancestor)
    ),
  ];
}

/** The evidence with one fact changed. */
function changed(
  evidence: ClientEvidence,
  path: readonly (string | number)[],
  change: (fact: Fact<unknown>) => Fact<unknown>,
): ClientEvidence {
  const copy = structuredClone(evidence);
  let at = copy as unknown as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1)!] = change(at[path.at(-1)!] as Fact<unknown>);
  return copy;
}

interface Asked {
  readonly at: number;
  readonly evidence: ClientEvidence;
  readonly world: AdmissionWorld;
}

/** Anything at all, or a peer that is welcome but for a few facts: else hardly anybody would ever be admitted. */
const all: fc.Arbitrary<Asked> = fc.nat(ENTRIES.length - 1).chain((at) => {
  const [, welcome, via = "direct"] = ENTRIES[at]!;
  const spoilt = fc.array(fc.tuple(fc.nat(), grades, fc.boolean()), { maxLength: 3 }).map((changes) =>
    changes.reduce((evidence, [pick, grade, gone]) => {
      const paths = factPaths(evidence);
      return changed(
        evidence,
        paths[pick % paths.length]!,
        (fact) => gone ? absent("gone") : isKnown(fact) ? known(fact.value, grade) : fact,
      );
    }, peer(welcome))
  );
  const ways = fc.constantFrom<AdmissionWorld["via"]>(via, via, via, "direct", "shim");
  return fc.tuple(fc.oneof(evidences, spoilt, spoilt), ways)
    .map(([evidence, way]) => ({ at, evidence, world: { ...WORLD, via: way } }));
});

function ask({ at, evidence, world }: Asked): Admission {
  return clients[at]!.admit(evidence, world);
}

for (const [at, [entry, welcome, via = "direct"]] of ENTRIES.entries()) {
  // Properties of refusals alone would hold of a closed door.
  test(`somebody is welcome: ${entry.replaceAll(/[0-9a-f]{60}/g, "…")}`, () => {
    const admission = ask({ at, evidence: peer(welcome), world: { ...WORLD, via } });
    assert.ok(admission.admitted, JSON.stringify(admission));
  });
}

test("it never throws, and a reason tells nothing of the peer's", () => {
  fc.assert(
    fc.property(all, (asked) => {
      const admission = ask(asked);
      if (admission.admitted) return;
      assert.is(admission.reasons.length, 1);
      for (const { because } of admission.reasons) {
        assert.not.match(because, /[/\\]|[0-9a-f]{16}/);
        assert.ok(because.length < 200);
      }
    }),
    { numRuns: 5000 },
  );
});

test("evidence of any other form admits nobody to an entry that names a program", () => {
  const odd = fc.anything({ withNullPrototype: true, maxDepth: 4 });
  fc.assert(
    fc.property(fc.nat(ENTRIES.length - 1), odd, evidences, fc.nat(), (at, anything, evidence, key) => {
      if (ENTRIES[at]![0].includes("name: group")) return;
      assert.not(ask({ at, evidence: anything as ClientEvidence, world: WORLD }).admitted);
      const keys = ["transport", "credentials", "process", "lineage", "selectors"];
      clients[at]!.admit({ ...evidence, [keys[key % 5]!]: anything } as ClientEvidence, WORLD);
    }),
    { numRuns: 3000 },
  );
});

test("a trust file that cannot be read admits nobody by it", () => {
  const world: AdmissionWorld = {
    via: "direct",
    trusted() {
      throw new Error("unreadable");
    },
  };
  assert.not(clients[0]!.admit(peer({ sha256: "@b" }), world).admitted);
});

test("a fact that is known less well never admits whom it did not admit before", () => {
  fc.assert(
    fc.property(all, fc.nat(), grades, (asked, pick, grade) => {
      const { evidence } = asked;
      const paths = factPaths(evidence);
      const path = paths[pick % Math.max(1, paths.length)];
      if (path === undefined) return;
      const worse = changed(
        evidence,
        path,
        (fact) => isKnown(fact) ? known(fact.value, lower(fact.grade, grade)) : fact,
      );
      const [before, after] = [ask(asked), ask({ ...asked, evidence: worse })];
      assert.ok(before.admitted || !after.admitted, JSON.stringify({ path, grade }));
      if (before.admitted && after.admitted) assert.ok(reaches(before.grade, after.grade));
    }),
    { numRuns: 10_000 },
  );
});

test("a fact that cannot be had never admits whom it did not admit before", () => {
  fc.assert(
    fc.property(all, fc.nat(), (asked, pick) => {
      const { evidence } = asked;
      const paths = factPaths(evidence);
      const path = paths[pick % Math.max(1, paths.length)];
      if (path === undefined) return;
      const less = changed(evidence, path, () => absent("gone"));
      assert.ok(ask(asked).admitted || !ask({ ...asked, evidence: less }).admitted, JSON.stringify(path));
    }),
    { numRuns: 10_000 },
  );
});

test("one more variable, mapped file, ancestor's end or forbidden selector never admits", () => {
  fc.assert(
    fc.property(all, fc.nat(3), (asked, pick) => {
      const { evidence } = asked;
      const add = (name: string) => (fact: Fact<unknown>) =>
        isKnown(fact) ? known([...fact.value as string[], name], fact.grade) : fact;
      if ("absent" in evidence.process) return;
      const more = [
        () => changed(evidence, ["process", "loaders"], add("LD_AUDIT")),
        () => changed(evidence, ["process", "mappings"], add("/tmp/evil.so")),
        () => ({ ...evidence, lineage: { ...evidence.lineage, end: "broken" } }),
        () => ({ ...evidence, selectors: [...evidence.selectors, "proc:env:LD_PRELOAD", "ns:pid:other"] }),
      ][pick]!();
      assert.ok(ask(asked).admitted || !ask({ ...asked, evidence: more }).admitted, String(pick));
    }),
    { numRuns: 5000 },
  );
});

test("an entry that names a program admits nobody without its facts, and only as good as they are", () => {
  const needs: readonly (readonly [entry: string, ...facts: string[]])[] = [
    ["measured", "sha256", "runtime"],
    ["lineage", "sha256", "path", "runtime"],
    ["packaged", "path", "immutable", "runtime"],
    ["heuristic", "sha256", "runtime"],
  ];
  fc.assert(
    fc.property(all, (asked) => {
      const { evidence } = asked;
      const admission = ask(asked);
      if (!admission.admitted) return;
      const keys = needs.find(([entry]) => entry === admission.client)?.slice(1);
      if (keys === undefined) return;
      if ("absent" in evidence.process) return assert.unreachable();
      const executable = evidence.process.executable as unknown as Record<string, Fact<unknown>>;
      assert.ok(keys.every((key) => isKnown(executable[key]!)));
      for (const key of keys.filter((it) => it !== "runtime")) {
        assert.ok(reaches((executable[key] as { grade: Grade }).grade, admission.grade), key);
      }
    }),
    { numRuns: 5000 },
  );
});

test("whoever may not be admitted by the account alone is never admitted", () => {
  fc.assert(
    fc.property(all, (asked) => {
      const { at, evidence } = asked;
      if (!ask(asked).admitted) return;
      const { credentials, process } = evidence;
      const account = isKnown(credentials) ? credentials.value : undefined;
      const uid = account?.uid ?? ("absent" in process || !isKnown(process.uid) ? -1 : process.uid.value);
      assert.ok(clients[at]!.mayAdmit({ uid, gid: account?.gid ?? 0 }));
    }),
    { numRuns: 5000 },
  );
});

test("more ancestors and steps than anybody has take no longer", async () => {
  const steps = Array.from({ length: 15 }, () => `any-number, {executable: {sha256: ${A}}}`).join(", ");
  const { clients } = await load(
    withClients(`{name: a, parents: [${steps}, any-number, {executable: {sha256: ${B}}}]}`),
  );
  const ancestors = Array.from({ length: 10_000 }, () => ({ sha256: "@a" }));
  const evidence = peer({ ancestors });
  const start = performance.now();
  assert.not(clients!.admit(evidence, WORLD).admitted);
  assert.ok(performance.now() - start < 100);
});

test("a wildcard matches what the same regular expression does, and slowly nothing", () => {
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "*", ":"), maxLength: 12 });
  fc.assert(
    fc.property(texts, texts, (pattern, text) => {
      const regex = new RegExp(`^${pattern.replaceAll("*", "[^]*")}$`);
      assert.is(compileWildcard(pattern)(text), regex.test(text));
    }),
    { numRuns: 5000 },
  );
  const start = performance.now();
  assert.not(compileWildcard(`${"a*".repeat(2000)}b`)("a".repeat(200_000)));
  assert.ok(performance.now() - start < 200);
});

test("a grade that is none is worse than any", () => {
  const odd = "certain" as Grade;
  assert.not(reaches(odd, "claimed"));
  assert.is(lower(odd, "claimed"), odd);
  assert.is(lower("kernel", odd), odd);
  assert.not(clients[0]!.admit(peer({ sha256: { grade: odd } }), WORLD).admitted);
});

test.run();
