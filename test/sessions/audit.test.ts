/** The audit log of running guards: two on one file, a disk that is full, and what a record says. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, skipUnless, waitUntil, withGuard, withTempDir } from "../harness.ts";
import { ask } from "../control/asked.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { endOf, errorOf, fixture, NODE, type PuppetGuard, textOf, withPuppet } from "./puppet.ts";

const ECHO = [NODE, fixture("echo.mjs")];
const ALLOW = "version: 1\nname: puppet\ndefault: allow\n";

const it = suite("the audit log of a running guard");

it(
  "each call has a decision before it reaches the server, and a result; neither holds what was said",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      await guard.call("echo", { secret: "hunter2-in-the-arguments" });
      // The call is recorded when it is made: at the latest with the next chunk its result is, too.
      await guard.request("ping");
      const [decision, result] = ["decision", "result"].map((type) =>
        guard.audit().find((it) => it["type"] === type && it["name"] === "echo")
      );
      assert.is(decision?.["effect"], "allow");
      assert.is(decision?.["method"], "tools/call");
      assert.match(String(decision?.["args_digest"]), /^[0-9a-f]{32,}$/);
      assert.match(JSON.stringify(decision?.["who"]), /"sha256":"[0-9a-f]{64}"/);
      assert.is(result?.["outcome"], "ok");
      assert.is(result?.["rpc_id"], decision?.["rpc_id"]);
      assert.not.match(JSON.stringify(guard.audit()), /hunter2/);
      assert.is(statSync(guard.auditFile).mode & 0o777, 0o600);
    })),
);

it(
  "two guards write one file side by side, and both chains verify",
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "shared.jsonl");
      const one = () =>
        withGuard({ server: ECHO, args: ["--audit", file] }, async (guard) => {
          await guard.initialize();
          for (let i = 0; i < 50; i++) await guard.request("tools/call", { name: "echo", arguments: { i } });
          guard.end();
          assert.equal(await endOf(guard), { code: 0, signal: null });
        });
      await Promise.all([one(), one()]);
      const report = await verifyUnaltered(file);
      assert.equal(report.chains.map((it) => it.end), ["stopped", "stopped"]);
      assert.ok(report.records >= 200, `${report.records} records`);
    })),
);

for (
  const { name, path } of [
    {
      name: "a file in the place of its folder",
      path: (folder: string) => join(file(folder), "audit.jsonl"),
    },
    { name: "a folder as its file", path: (folder: string) => folder },
    { name: "a folder that others may write", path: (folder: string) => join(loose(folder), "audit.jsonl") },
    { name: "a device", path: () => "/dev/full" },
  ]
) {
  it(
    `with ${name} for its log the guard does not start, and no server either`,
    limited(30_000, () =>
      withTempDir((folder) =>
        withGuard(
          {
            server: [NODE, fixture("puppet.mjs"), join(folder, "received")],
            args: ["--audit", path(folder)],
          },
          async (guard) => {
            guard.send({ jsonrpc: "2.0", id: 1, method: "ping" });
            assert.equal(await endOf(guard), { code: 1, signal: null });
            assert.match(guard.stderr, /ERR_AUDIT_UNWRITABLE/);
            assert.equal(guard.lines, []);
            assert.not.ok(existsSync(join(folder, "received")));
          },
        )
      )),
  );
}

it(
  "a full disk: calls are refused with 1006 and the server does not see them; with room they pass again",
  limited(60_000, () =>
    onSmallDisk(async (disk) => {
      await withPuppet({ policy: ALLOW, args: ["--audit", join(disk, "audit.jsonl")] }, async (guard) => {
        assert.ok("result" in await guard.call("echo", { n: 1 }));
        fill(disk);
        await untilFull(guard);
        const before = echoed(guard).length;
        assert.is(errorOf(await guard.call("echo", { n: 2 })).code, 1006);
        assert.is(echoed(guard).length, before, "a call that was refused reached the server");
        rmSync(join(disk, "filler"));
        assert.ok("result" in await guard.call("echo", { n: 3 }));
        guard.end();
        await endOf(guard);
      });
      await verifyUnaltered(join(disk, "audit.jsonl"));
    })),
);

it(
  "a full disk: what is ordered at the control socket is not done, as who ordered it could not be recorded",
  limited(60_000, () =>
    onSmallDisk((disk) =>
      withTempDir(async (folder) => {
        const control = join(folder, "control", "c.sock");
        const args = ["--audit", join(disk, "audit.jsonl"), "--control", control];
        await withPuppet({ policy: ALLOW, args }, async (guard) => {
          await waitUntil(() => existsSync(control));
          const [session] = JSON.parse((await ask(control, "GET", "/sessions")).text).sessions;
          fill(disk);
          await untilFull(guard);
          assert.is((await ask(control, "DELETE", `/sessions/${session.id}`)).status, 503);
          assert.is((await ask(control, "POST", "/reload")).status, 503);
          rmSync(join(disk, "filler"));
          assert.ok("result" in await guard.call("echo", { still: "here" }));
          assert.is((await ask(control, "DELETE", `/sessions/${session.id}`)).status, 200);
          await endOf(guard);
        });
        await verifyUnaltered(join(disk, "audit.jsonl"));
      })
    )),
);

it(
  "a full disk under 'on_failure: continue': calls pass, and the log says later what it lacks",
  limited(60_000, () =>
    onSmallDisk(async (disk) => {
      const policy = `${ALLOW}audit: {on_failure: continue}\n`;
      await withPuppet({ policy, args: ["--audit", join(disk, "audit.jsonl")] }, async (guard) => {
        await guard.call("echo", { n: 0 });
        fill(disk);
        for (let n = 1; n <= 40; n++) {
          assert.ok("result" in await guard.call("echo", { n }), "a call was refused");
        }
        rmSync(join(disk, "filler"));
        await guard.call("echo", { n: 41 });
        guard.end();
        await endOf(guard);
      });
      await verifyUnaltered(join(disk, "audit.jsonl"));
    })),
);

it(
  "under 'on_failure: continue' the guard starts without a log, and says so",
  limited(30_000, () =>
    withTempDir((folder) =>
      withPuppet(
        {
          policy: `${ALLOW}audit: {on_failure: continue}\n`,
          args: ["--audit", join(file(folder), "audit.jsonl")],
        },
        async (guard) => {
          assert.is(textOf(await guard.call("echo", {})), "{}");
          assert.match(guard.stderr, /No audit log is kept/);
        },
      )
    )),
);

it.run();

function file(folder: string): string {
  const path = join(folder, "file");
  writeFileSync(path, "");
  return path;
}

function loose(folder: string): string {
  const inner = join(folder, "loose");
  mkdirSync(inner);
  spawnSync("chmod", ["777", inner]);
  return inner;
}

/** Calls that reached the server. */
const echoed = (guard: PuppetGuard) => guard.received().filter((line) => line.includes('"echo"'));

/** Lends a disk of 256 KiB, or skips the test where we may not mount one. */
function onSmallDisk(use: (disk: string) => Promise<void>): Promise<void> {
  return withTempDir(async (folder) => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const options = ["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", disk];
    const mounted = spawnSync("mount", options, { stdio: "ignore" }).status === 0;
    if (skipUnless(mounted, "needs the right to mount a tmpfs")) return;
    try {
      await use(disk);
    } finally {
      spawnSync("umount", ["--lazy", disk]);
    }
  });
}

/** Takes what room there is. */
function fill(disk: string): void {
  for (let size = 256 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      writeFileSync(join(disk, "filler"), new Uint8Array(size), { flag: "a" });
    } catch { /* No room for so much: try with less. */ }
  }
}

/** A record or two may still fit into the page that the log has begun. */
async function untilFull(guard: PuppetGuard): Promise<void> {
  for (let n = 0; n < 40; n++) {
    const answer: JsonRpc = await guard.call("echo", { filling: n });
    if ("error" in answer) return;
  }
  throw new Error("The disk did not fill up");
}
