import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Command } from "../../wrappers/command.ts";
import { command as attest } from "../../wrappers/commands/attest.ts";
import { command as doctor } from "../../wrappers/commands/doctor.ts";
import { sha256sum, until, withFolder, withProgram } from "./fixtures/programs.ts";

const test = suite("attest and doctor");

// The runtime folder of whoever runs the tests is left alone.
const runtime = mkdtempSync(join(tmpdir(), "guard-runtime-"));
process.env["XDG_RUNTIME_DIR"] = runtime;
process.once("exit", () => rmSync(runtime, { recursive: true, force: true }));

async function call(command: Command, ...args: string[]): Promise<{ code: number; out: string }> {
  const plain = (text: string) => text;
  const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };
  let out = "";
  const code = await command.run(args, { out: (text) => void (out += text), err: () => {}, style });
  return { code, out };
}

test("attest --pid shows facts with their grades, and as JSON", async () => {
  const { code, out } = await call(attest, "--pid", String(process.pid));
  assert.is(code, 0);
  assert.match(out, new RegExp(`^Process    ${process.pid}$`, "m"));
  assert.match(out, new RegExp(`^  sha256   ${sha256sum(process.execPath)}  lineage$`, "m"));
  assert.match(out, /^Ancestor 0 \d+$/m);
  assert.match(out, /^ {2}unix:sha256:[0-9a-f]{64}$/m);
  const json = JSON.parse((await call(attest, "--pid", String(process.pid), "--json")).out);
  assert.is(json.process.executable.sha256.value, sha256sum(process.execPath));
});

test("a file name cannot give orders to the terminal", () =>
  withFolder(async (folder) => {
    const path = join(folder, "x\x1b[2J\u202e\ny");
    copyFileSync(spawnSync("sh", ["-c", "command -v sleep"]).stdout.toString().trim(), path);
    await withProgram([path, "60"], async ({ pid }) => {
      await until("it runs", () => readlinkSync(`/proc/${pid}/exe`) === path);
      const { out } = await call(attest, "--pid", String(pid));
      assert.not.match(out, /[\x1b\u202e]/);
      assert.match(out, /x\\u\{1b\}\[2J\\u\{202e\}\\u\{a\}y/);
    });
  }));

for (const pid of ["", "0", "-1", "1e3", "abc", "99999999999"]) {
  test(`'--pid ${pid}' is wrong usage`, async () => {
    try {
      await call(attest, `--pid=${pid}`);
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).name, "UsageError");
    }
  });
}

test("a process that is not there is an error with a code", async () => {
  try {
    await call(attest, "--pid", "4194305");
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code: string }).code, "ERR_PEER_GONE");
  }
});

test("doctor names what it tried, and says the same in both forms", async () => {
  const { code, out } = await call(doctor);
  const json = JSON.parse((await call(doctor, "--json")).out);
  const names = json.findings.map((finding: { name: string }) => finding.name);
  for (const name of ["kernel.peer-credentials", "kernel.pidfd", "yama", "runtime", "folder.audit"]) {
    assert.ok(names.includes(name), name);
    assert.ok(out.includes(name), name);
  }
  assert.is(code, json.usable ? 0 : 1);
  const missing = json.findings.filter((finding: { state: string }) => finding.state === "missing");
  assert.is(json.usable, missing.length === 0);
});

test("doctor finds an option that loads code", async () => {
  const before = process.env["NODE_OPTIONS"];
  process.env["NODE_OPTIONS"] = "--import=./x.mjs";
  try {
    const { code, out } = await call(doctor, "--json");
    assert.is(code, 1);
    const finding = JSON.parse(out).findings.find((each: { name: string }) =>
      each.name === "runtime.options"
    );
    assert.equal([finding.state, finding.found], ["missing", "--import"]);
  } finally {
    if (before === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = before;
  }
});

test.run();
