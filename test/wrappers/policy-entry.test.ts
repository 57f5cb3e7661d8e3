import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClientEvidence } from "../../policy/mod.ts";
import { type EntrySource, policyEntry } from "../../wrappers/attest/policy-entry.ts";
import { peer, type ToldPeer, type ToldProcess } from "../policy/evidence.ts";
import { load } from "../policy/support.ts";

const test = suite("attest --as-policy");
const A = "af".repeat(32);
const OWN = { ownUid: 1000 };
const unknown = { absent: "not-gathered" };
const REST = {
  pidfdInode: unknown,
  label: unknown,
  namespaces: { pid: unknown, mnt: unknown },
};

/** The same evidence as attestation has it, with numbers. */
function source(evidence: ClientEvidence): EntrySource {
  const { process, lineage, transport } = evidence;
  const ancestors = lineage.ancestors.map((each, hop) => ({ ...each, ...REST, pid: 100 + hop }));
  return {
    process: "absent" in process ? process : { ...process, ...REST, pid: 10 },
    lineage: { ancestors, end: "init" },
    ...(transport === "none" ? {} : { transport: transport as NonNullable<EntrySource["transport"]> }),
  };
}

function write(told: ToldPeer, name?: string): string {
  const entry = policyEntry(source(peer(told)), { ...OWN, name });
  if ("reason" in entry) throw new Error(entry.reason);
  return entry.yaml;
}

/** Who comes in by the entry. */
async function admitted(
  yaml: string,
  told: ToldPeer,
  tested: readonly string[] = [],
): Promise<string | undefined> {
  const policy = await load(`version: 1\nname: test\n${yaml}`);
  const trusted = () => tested.map((sha256) => ({ sha256, tested: true }));
  const admission = policy.clients!.admit(peer(told), { trusted, via: "direct" });
  return admission.admitted ? admission.client : undefined;
}

/** All lines that are comments and could be entries, made entries one at a time. */
function* uncommented(yaml: string): Generator<string> {
  const lines = yaml.split("\n");
  for (const [at, line] of lines.entries()) {
    const match = /^( +)# (\w+: [{[].*)$/.exec(line);
    if (match === null) continue;
    const [, indent, key] = match;
    const word = key!.split(":")[0]!;
    const others = lines.filter((other, i) => i !== at && !other.startsWith(`${indent}${word}:`));
    others.splice(others.findIndex((other) => other.startsWith("  - ")) + 1, 0, `${indent}${key}`);
    yield others.join("\n");
  }
}

const GRADES: readonly [transport: string, grade: string][] = [
  ["stdio-socket", "measured"],
  ["unix", "measured"],
  ["stdio-pipe", "lineage"],
  ["stdio-tty", "heuristic"],
  ["stdio-file", "heuristic"],
];
for (const [transport, grade] of GRADES) {
  test(`a native program by ${transport} is asked for as ${grade}, and comes in by its entry`, async () => {
    const yaml = write({ transport }, "claude-code");
    assert.match(yaml, new RegExp(`^ {4}grade: ${grade}$`, "m"));
    const worth = { value: "@a", grade: grade as "measured" };
    assert.is(await admitted(yaml, { transport, sha256: worth }), "claude-code");
    assert.is(await admitted(yaml, { transport, sha256: { value: "@b", grade: worth.grade } }), undefined);
    assert.is(await admitted(yaml, { transport, sha256: worth, uid: 1001 }), undefined);
    if (grade === "heuristic") return;
    const less = { value: "@a", grade: grade === "measured" ? "lineage" : "heuristic" } as const;
    assert.is(await admitted(yaml, { transport, sha256: less }), undefined);
  });
}

test("a process that was asked for by number is measured as a peer, and it says what else it may be", async () => {
  const yaml = write({ transport: "none" });
  assert.match(yaml, /^# Process 10, asked for by its number/);
  assert.match(yaml, /if it starts the guard with pipes \(Python, Go, Rust, Deno\), write 'lineage'/);
  assert.match(yaml, /^ {4}grade: measured$/m);
  assert.is(await admitted(yaml, {}), `exe-${A.slice(0, 16)}`);
});

test("without a name it is called by its digest, never by its file", () => {
  assert.match(write({ path: "/opt/claude" }), new RegExp(`name: "exe-${A.slice(0, 16)}"`));
});

test("our own uid is self, another one a number", () => {
  assert.match(write({}), /^ {4}uid: self$/m);
  assert.match(write({ uid: 1001 }), /^ {4}uid: 1001$/m);
});

test("what root alone can change may be named by its path instead", async () => {
  const yaml = write({ path: "/usr/bin/$x", immutable: true }, "job");
  const [other, ...more] = [...uncommented(yaml)];
  assert.equal(more, []);
  assert.match(other!, /^ {4}executable: \{path: "\/usr\/bin\/\$\$x", immutable: true\}$/m);
  const updated = { path: "/usr/bin/$x", immutable: true, sha256: "@b" } as const;
  assert.is(await admitted(other!, updated), "job");
  assert.is(await admitted(other!, { ...updated, path: "/usr/bin/x" }), undefined);
});

test("what updates itself may be trusted by name instead", async () => {
  const [other] = [
    ...uncommented(write({}, "agent").replaceAll(/ {4}# mcp-guard trust add agent --pid 10$/gm, "")),
  ];
  assert.match(other!, /executable: \{sha256: \["trust:agent"\]\}/);
  assert.is(await admitted(other!, { sha256: "@b" }, ["bf".repeat(32)]), "agent");
  assert.match(write({}, "agent"), /# mcp-guard trust add agent --pid 10$/m);
});

for (const runtime of ["bun-compiled", "deno-compiled", "node-compiled"] as const) {
  test(`${runtime}: trusted by name, once it was tested`, async () => {
    const yaml = write({ runtime }, "claude-code");
    assert.match(yaml, /^ {4}# {3}mcp-guard trust add claude-code --pid 10 --tested$/m);
    assert.is(await admitted(yaml, { runtime }, [A]), "claude-code");
    assert.is(await admitted(yaml, { runtime }), undefined);
  });
}

for (const runtime of ["node", "python", "shell", "electron"] as const) {
  const told: ToldPeer = { runtime, path: "/usr/bin/x", script_path: "/srv/s", script_sha256: "@c" };
  test(`${runtime}: its script, as heuristic`, async () => {
    const yaml = write({ ...told, transport: "stdio-socket" }, "job");
    assert.match(yaml, /^ {4}grade: heuristic$/m);
    assert.match(yaml, /keeps out accidents, and nobody who wants in/);
    assert.is(await admitted(yaml, told), "job");
    assert.is(await admitted(yaml, { ...told, script_sha256: "@d" }), undefined);
  });

  test(`${runtime} without a script that could be measured is no entry`, () => {
    const { script_sha256: _, ...without } = told;
    const entry = policyEntry(source(peer(without)), OWN);
    assert.match("reason" in entry ? entry.reason : "", /script could not be measured \(none\)/);
  });
}

const NONE: readonly [name: string, told: ToldPeer, says: RegExp][] = [
  ["nobody", { gone: "stdio-peers-differ" }, /nobody could be measured \(stdio-peers-differ\)/],
  ["no digest", { sha256: { absent: "exe-too-big" } }, /could not be measured \(exe-too-big\)/],
  ["no kind", { runtime: { absent: "pending" } }, /kind of program it is could not be told \(pending\)/],
  ["a relay", { runtime: "relay" }, /\(relay\) that passes on, or runs, whatever it is given/],
  ["a loader", { runtime: "loader", script_sha256: "@c" }, /\(loader\)/],
  ["what is called like a relay", { path: "/usr/bin/env" }, /\(relay\)/],
  [
    "what is called like an interpreter",
    { path: "/usr/bin/python3" },
    /it is python, .*script could not be measured/,
  ],
];
for (const [name, told, says] of NONE) {
  test(`${name}: no entry, and it says why`, () => {
    const entry = policyEntry(source(peer(told)), OWN);
    assert.match("reason" in entry ? entry.reason : entry.yaml, says);
    assert.ok("reason" in entry);
  });
}

test("variables that load code are to be allowed by whoever knows them", async () => {
  const told = { loaders: ["LD_PRELOAD", "NODE_OPTIONS"] };
  const yaml = write(told, "x");
  assert.is(await admitted(yaml, told), undefined);
  const allowed = [...uncommented(yaml)].find((text) => /^ {4}env_ok: /m.test(text))!;
  assert.match(allowed, /env_ok: \["LD_PRELOAD", "NODE_OPTIONS"\]/);
  assert.is(await admitted(allowed, told), "x");
  assert.is([...uncommented(write({}))].some((text) => /env_ok/.test(text)), false);
});

test("ancestors whose digests say something may be demanded, each of them", async () => {
  const ancestors: ToldProcess[] = [
    { sha256: "@b", path: "/usr/bin/kitty" },
    { sha256: "@c", runtime: "shell" },
    { sha256: { absent: "ns-unreadable:EACCES" } },
    { sha256: "@d", path: "/usr/bin/init-like" },
  ];
  const yaml = write({ ancestors }, "x");
  const demands = [...uncommented(yaml)].filter((text) => /^ {4}parents: /m.test(text));
  assert.is(demands.length, 2);
  for (const demand of demands) {
    assert.is(await admitted(demand, { ancestors }), "x");
    assert.is(await admitted(demand, { ancestors: [] }), undefined);
  }
  assert.match(
    yaml,
    /# parents: \[\{executable: \{sha256: \["(bf){32}"\]\}\}\] +# 100, "\/usr\/bin\/kitty"$/m,
  );
  assert.match(yaml, /# parents: \[any-number, \{executable: \{sha256: \["(df){32}"\]\}\}\] +# 103, /m);
});

test("sub-commands that pass on what anybody says are forbidden", async () => {
  const told = { path: "/home/me/.local/share/claude/2.1.3" };
  const yaml = write(told, "x");
  assert.match(yaml, /^ {4}argv: \{forbid: \["mcp serve"\]\}$/m);
  assert.is(await admitted(yaml, { ...told, argv: ["claude", "mcp", "serve"] }), undefined);
  assert.is(await admitted(yaml, told), "x");
});

const EVIL = [
  "/x\ny: z",
  "/x\r\n  - name: evil\n    uid: [0]",
  '/x"], immutable: true} #',
  "/x' # \\",
  "/x\u2028- name: evil",
  "/x\u0085- name: evil",
  "/\u202ex\x1b[2J\u00a0\ufeff\0",
  "/$HOME/${HOME}/$$",
  "/x\ud83d\ude00\u{e0001}\u{10ffff}",
  "/x: {a: b}",
  "/*alias &anchor !tag %dir",
];
for (const evil of EVIL) {
  test(`nothing that a process chose says anything in the policy: ${JSON.stringify(evil)}`, async () => {
    const all: ToldPeer = {
      path: evil,
      immutable: true,
      loaders: [evil, "LD_PRELOAD"],
      ancestors: [{ path: evil }],
      uid: 1000,
    };
    for (
      const told of [
        all,
        { ...all, runtime: "bun-compiled" as const },
        { ...all, runtime: "node" as const, script_path: evil, script_sha256: "@c" },
        { ...all, path: { absent: evil }, immutable: { absent: evil } },
      ]
    ) {
      const yaml = write(told, "x");
      assert.not.match(yaml, /[^\x20-\x7e\n\u{1f600}]/u);
      const keys = yaml.split("\n").filter((line) => !/^ *#/.test(line)).map((line) =>
        line.replace(/[:[{].*/, "")
      );
      assert.equal(keys.filter((key) => /evil|y$/.test(key)), []);
      const { clients } = await load(`version: 1\nname: test\n${yaml}`);
      assert.equal(clients!.names, ["x"]);
    }
  });
}

test("a path with signs of the policy's own still names that file", async () => {
  for (
    const path of ["/opt/$HOME/x", '/opt/a"b\\c', "/opt/\u{10ffff}\u00e9\u200f", "/opt/x: y # z", "/opt/$$"]
  ) {
    const told = { path, immutable: true } as const;
    const [other] = [...uncommented(write(told, "x"))];
    assert.match(other!, /path: /);
    assert.is(await admitted(other!, told), "x", path);
  }
});

test.run();
