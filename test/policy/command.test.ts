import { createHash } from "node:crypto";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../wrappers/arguments.ts";
import type { Terminal } from "../../wrappers/command.ts";
import { command } from "../../wrappers/commands/policy.ts";
import { withTempDir } from "../harness.ts";

const test = suite("mcp-guard policy");
const GOOD = `version: 1
name: files
rules:
  - {name: read, tools: [read], effect: allow, args: {path: {under: $DATA}}}
  - {name: stop, tools: [stop], effect: deny, message: Not now}
`;

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command on a policy file; `FILE` at the beginning of an argument stands for its path. */
async function run(text: string, ...args: readonly string[]): Promise<Outcome> {
  return await withTempDir(async (temp) => {
    const file = join(realpathSync(temp), "p.yaml");
    writeFileSync(file, text, { mode: 0o600 });
    let [out, err] = ["", ""];
    const same = (part: string) => part;
    const style = { bold: same, dim: same, red: same, green: same, yellow: same };
    const terminal: Terminal = {
      out: (part) => void (out += part),
      err: (part) => void (err += part),
      style,
    };
    const code = await command.run(args.map((arg) => arg.replace(/^FILE/, file)), terminal);
    return { code, out: out.replaceAll(file, "FILE"), err: err.replaceAll(file, "FILE") };
  });
}

test("check says in a few words what a good policy does", async () => {
  assert.equal(await run(GOOD, "check", "FILE", "--var", "DATA=/srv"), {
    code: 0,
    out: "ok: policy 'files': default deny; 2 rules (1 allow, 1 deny); resources: deny by default; " +
      "prompts: deny by default; the server may ask for nothing; any process of the guard's user may connect\n",
    err: "",
  });
});

test("check lists what is wrong, with its place and what to write instead", async () => {
  const { code, out } = await run("version: 1\nname: x\nrule: []\ndefault: alow\n", "check", "FILE");
  assert.is(code, 1);
  assert.is(
    out,
    "FILE:3:1: error: Unknown key 'rule' in the policy\n    Did you mean 'rules'?\n" +
      "FILE:4:10: error: 'default' cannot be 'alow'\n    Did you mean 'allow'?\n" +
      "2 errors: the policy cannot be used\n",
  );
});

test("check --json is one object", async () => {
  const good = JSON.parse((await run(GOOD, "check", "FILE", "--json", "--var", "DATA=/srv")).out);
  assert.is(good.ok, true);
  assert.match(good.sha256, /^[0-9a-f]{64}$/);
  const bad = JSON.parse((await run(GOOD, "check", "FILE", "--json")).out);
  assert.is(bad.ok, false);
  assert.equal(
    bad.problems.map((problem: { line: number; message: string }) => [problem.line, problem.message]),
    [
      [4, "Variable '$DATA' is not defined"],
    ],
  );
});

test("check refuses what has expired, and what is not there", async () => {
  const expired = await run("version: 1\nname: x\nexpires: 2020-01-01\n", "check", "FILE");
  assert.is(expired.code, 1);
  assert.match(expired.out, /expired at 2020-01-02/);
  const missing = JSON.parse((await run("", "check", "FILE.no", "--json")).out);
  assert.equal([missing.ok, missing.error.code], [false, "ERR_CONFIG_INVALID"]);
});

test("explain shows each rule with its line, and says by the exit code whether it is allowed", async () => {
  const allowed = await run(
    GOOD,
    "explain",
    "FILE",
    "--tool",
    "read",
    "--args",
    '{"path": "/srv/a"}',
    "--var",
    "DATA=/srv",
  );
  assert.equal(allowed, {
    code: 0,
    out: "allow: by read\n" +
      "\nFILE:4 read (allow): yes\n  Every argument matches\n" +
      "\nFILE:5 stop (deny): no\n  It does not name this tool\n",
    err: "",
  });
  const denied = await run(GOOD, "explain", "FILE", "--tool", "stop", "--var", "DATA=/srv");
  assert.is(denied.code, 1);
  assert.match(denied.out, /^deny: by stop\n {2}the caller is told: Not now\n/);
});

test("explain --json holds the decision and the rules", async () => {
  const { out } = await run(GOOD, "explain", "FILE", "--prompt", "p", "--json", "--var", "DATA=/srv");
  assert.equal(JSON.parse(out), {
    request: { kind: "prompt", name: "p" },
    decision: { effect: "deny", reason: "default", rules: [] },
    rules: [],
  });
});

const CLIENTS = `version: 1
name: files
clients:
  - {name: claude, executable: {sha256: trust:agent}}
  - {name: ci, uid: 4242}
rules:
  - {name: read, tools: [read], clients: [claude], effect: allow}
`;

test("explain --client asks for the caller that an entry names", async () => {
  const ask = async (...args: readonly string[]) =>
    await run(CLIENTS, "explain", "FILE", "--tool", "read", ...args);
  assert.is((await ask("--client", "claude")).code, 0);
  const other = await ask("--client", "ci");
  assert.is(other.code, 1);
  assert.match(other.out, /read \(allow\): no\n {2}It does not speak of this client/);
  const nobody = await ask();
  assert.is(nobody.code, 1);
  assert.match(nobody.out, /read \(allow\): unknown\n {2}It speaks of some clients only, and none is given/);
  const { request } = JSON.parse((await ask("--client", "ci", "--json")).out);
  assert.equal(request, { kind: "tool", name: "read", client: "ci" });
});

test("explain --client refuses a name that the policy does not have", async () => {
  const ask = async (text: string) => {
    try {
      await run(text, "explain", "FILE", "--tool", "read", "--client", "cluade", "--var", "DATA=/srv");
    } catch (error) {
      assert.instance(error, UsageError);
      return (error as Error).message;
    }
    return assert.unreachable();
  };
  assert.is(await ask(CLIENTS), "'--client cluade' is nobody in this policy; it has: claude, ci");
  assert.is(await ask(GOOD), "'--client cluade' is nobody in this policy; it has no 'clients'");
});

test("check knows the digest of the runtime that it runs on", async () => {
  const own = createHash("sha256").update(readFileSync(process.execPath)).digest("hex");
  const text = `version: 1\nname: x\nclients:\n  - {name: c, executable: {sha256: ["${own}"]}}\n`;
  const { code, out } = await run(text, "check", "FILE");
  assert.is(code, 1);
  assert.match(out, /^FILE:4:37: error: This is '.*', which runs any script/);
});

test("a number that is not exact in --args is as unknown as it is on the wire", async () => {
  const policy =
    "version: 1\nname: x\nrules:\n  - {name: r, tools: [t], effect: allow, args: {n: {min: 1}}}\n";
  const ask = async (literal: string) =>
    (await run(policy, "explain", "FILE", "--tool", "t", "--args", `{"n": ${literal}}`)).code;
  assert.is(await ask("5"), 0);
  assert.is(await ask("9007199254740993"), 1);
  assert.is(await ask("1e400"), 1);
});

test("schema prints the JSON Schema", async () => {
  const { code, out } = await run("", "schema");
  assert.is(code, 0);
  assert.is(JSON.parse(out).title, "mcp-guard policy");
});

const misuses: readonly (readonly string[])[] = [
  [],
  ["chekc", "FILE"],
  ["check"],
  ["check", "FILE", "more"],
  ["check", "FILE", "--nope"],
  ["check", "FILE", "--var", "X"],
  ["explain", "FILE"],
  ["explain", "FILE", "--tool", "a", "--prompt", "b"],
  ["explain", "FILE", "--prompt", "b", "--args", "{}"],
  ["explain", "FILE", "--tool", "a", "--args", "{"],
  ["explain", "FILE", "--tool", "a", "--args", "[]"],
];
for (const args of misuses) {
  test(`wrong usage is told: policy ${args.join(" ")}`, async () => {
    let thrown: unknown;
    await run(GOOD, ...args).catch((error: unknown) => thrown = error);
    assert.instance(thrown, UsageError);
  });
}

test.run();
