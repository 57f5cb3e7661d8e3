import { chmodSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { command } from "../../wrappers/commands/trust.ts";
import { digest, trustText, withTrustFile } from "../config/trust/trust-support.ts";
import { rejects } from "../harness.ts";

const test = suite("mcp-guard trust: usage, list, remove");
const read = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const A = "a".repeat(64);
const B = "b".repeat(64);

async function trust(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const plain = (text: string) => text;
  const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };
  let out = "";
  let err = "";
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    style,
  };
  return { code: await command.run(args, terminal), out, err };
}

const WRONG: readonly (readonly string[])[] = [
  [],
  ["show"],
  ["add"],
  ["add", "x"],
  ["add", "x", "y", "--path", "/bin/true"],
  ["add", "x", "--path", "/bin/true", "--pid", "1"],
  ["add", "x", "--pid", "0"],
  ["add", "x", "--pid", "1e3"],
  ["add", "a/b", "--path", "/bin/true"],
  ["add", "..", "--path", "/bin/true"],
  ["add", "", "--path", "/bin/true"],
  ["add", "__proto__", "--path", "/bin/true"],
  ["add", "x".repeat(65), "--path", "/bin/true"],
  ["add", "x", "--path", "/bin/true", "--note", "a\nb"],
  ["add", "x", "--path", "/bin/true", "--note", "x".repeat(201)],
  ["remove"],
  ["remove", "a b"],
  ["remove", "x", "--sha256", "abc"],
  ["list", "x"],
];
for (const args of WRONG) {
  test(`'trust ${args.join(" ").slice(0, 60).replace("\n", "\\n")}' is wrong usage`, async () => {
    await assertUsage(args);
  });
}

async function assertUsage(args: readonly string[]): Promise<void> {
  try {
    await trust(...args);
  } catch (error) {
    assert.is((error as Error).name, "UsageError");
    return;
  }
  assert.unreachable();
}

test("a trust file that others can write is refused, and stays as it is", () =>
  withTrustFile(trustText({ x: [digest(A)] }), async (file) => {
    chmodSync(file, 0o666);
    const before = readFileSync(file, "utf8");
    for (const args of [["list"], ["add", "x", "--path", "/bin/true"], ["remove", "x"]]) {
      await rejects(trust(...args, "--trust", file), {
        code: "ERR_POLICY_UNSAFE",
        message: /the trust file: .*0666/,
      });
    }
    assert.is(readFileSync(file, "utf8"), before);
  }));

test("list shows how each came to be, in both forms", () => {
  const record = digest(B, { kind: "bun-compiled", tested: true, note: "it's" });
  return withTrustFile(trustText({ one: [digest(A), record], two: [digest(A)] }), async (file) => {
    const { code, out } = await trust("list", "--trust", file);
    assert.is(code, 0);
    assert.match(out, /^one$/m);
    assert.match(out, /^ {2}b{64} {2}bun-compiled, tested$/m);
    assert.match(out, /^ {4}added 2026-01-31T12:00:00Z by path: "it's"$/m);
    const json = JSON.parse((await trust("list", "--json", "--trust", file)).out);
    assert.equal(json, { file, entries: read(file).entries });
    assert.match((await trust("list", "--trust", `${file}.no`)).out, /^Nothing is trusted by name in /);
  });
});

test("remove takes one digest or all of an entry, and does not ask", () =>
  withTrustFile(trustText({ one: [digest(A), digest(B)], two: [digest(A)] }), async (file) => {
    const remove = (...args: string[]) => trust("remove", ...args, "--trust", file);
    assert.equal(await remove("one", "--sha256", A.toUpperCase()), {
      code: 0,
      out: `Removed ${A}\n`,
      err: "",
    });
    assert.equal(read(file).entries.one.digests.map(({ sha256 }: { sha256: string }) => sha256), [B]);
    const again = await remove("one", "--sha256", A);
    assert.equal([again.code, again.out], [1, ""]);
    assert.match(again.err, /Nothing was removed: .* has no such digest under 'one'/);
    const json = JSON.parse((await remove("one", "--json")).out);
    assert.equal(json.removed.map(({ sha256 }: { sha256: string }) => sha256), [B]);
    assert.equal(read(file), { version: 1, entries: { two: { digests: [digest(A)] } } });
  }));

test.run();
