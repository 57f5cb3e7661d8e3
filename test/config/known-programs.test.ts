import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { examinePolicyFile, loadPolicyFile } from "../../sidecar/config/policy-file.ts";
import { openKnownPrograms } from "../../sidecar/config/known-programs.ts";
import { withTempDir } from "../harness.ts";

const test = suite("openKnownPrograms()");
const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

test("programs along PATH are known by their digest, whatever they are in truth", async () => {
  await withTempDir(async (folder) => {
    writeFileSync(join(folder, "socat"), "relay");
    writeFileSync(join(folder, "agent"), "agent");
    writeFileSync(join(folder, "python3.99"), "python");
    symlinkSync("python3.99", join(folder, "python3"));
    const describe = openKnownPrograms(`relative:${folder}:/nowhere`);
    assert.equal(describe(digestOf("relay")), { kind: "relay", name: join(folder, "socat") });
    assert.equal(describe(digestOf("python")), { kind: "python", name: join(folder, "python3") });
    assert.is(describe(digestOf("agent")), undefined);
  });
});

test("what cannot be read, or is no file, is skipped and holds nobody up", async () => {
  await withTempDir(async (folder) => {
    assert.is(spawnSync("mkfifo", [join(folder, "node")]).status, 0);
    mkdirSync(join(folder, "bash"));
    writeFileSync(join(folder, "perl"), "locked");
    chmodSync(join(folder, "perl"), 0);
    symlinkSync("ruby", join(folder, "ruby"));
    writeFileSync(join(folder, "ssh"), "fine");
    assert.is(openKnownPrograms(folder)(digestOf("fine"))?.kind, "relay");
  });
});

test("nothing is read before a digest is asked for, and then it is read once", async () => {
  await withTempDir(async (folder) => {
    const describe = openKnownPrograms(folder);
    writeFileSync(join(folder, "nc"), "later");
    assert.is(describe(digestOf("later"))?.kind, "relay");
    writeFileSync(join(folder, "ncat"), "too late");
    assert.is(describe(digestOf("too late")), undefined);
  });
});

test("the shell is known here, and only those who examine a policy look for it", async () => {
  const own = openKnownPrograms(undefined);
  const shell = createHash("sha256").update(await readFile("/bin/sh")).digest("hex");
  assert.ok(["shell", "busybox"].includes(own(shell)!.kind));
  await withTempDir(async (temp) => {
    const folder = join(realpathSync(temp), "policies");
    mkdirSync(folder, { mode: 0o700 });
    const file = join(folder, "p.yaml");
    const text = `version: 1\nname: x\nclients:\n  - {name: c, executable: {sha256: ["${shell}"]}}\n`;
    writeFileSync(file, text, { mode: 0o600 });
    const { result } = await examinePolicyFile(file, { vars: {}, cwd: "/" });
    assert.match(result.problems[0]!.message, /which runs any script/);
    // To be enforced it may be loaded: nobody who runs the shell is admitted by it.
    const { policy } = await loadPolicyFile(file, { vars: {}, cwd: "/" });
    assert.equal(policy.clients!.names, ["c"]);
  });
});

test.run();
