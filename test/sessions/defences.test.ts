/** What the guard does about its own process and its child's: shown to be needed first, where that can be shown. */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, skipUnless, waitUntil, withGuard, withTempDir } from "../harness.ts";
import { guardCommand } from "../tools/guard-command.ts";
import { commandLine, descendantsOf } from "./processes.ts";
import { endOf, fixture, NODE, textOf, withPuppet } from "./puppet.ts";

const ON_NODE = !("Deno" in globalThis);
const INJECTED =
  '{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"echo","arguments":{"injected":1}}}\n';

const it = suite("defences");

it(
  "SIGUSR1 opens the inspector of a plain node, and not the guard's, which goes on",
  limited(30_000, async () => {
    const plain = spawn(NODE, ["--inspect-port=0", "-e", "console.log('up'); setInterval(() => {}, 1000)"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    assert.ok(plain.pid !== undefined);
    let said = "";
    plain.stderr.on("data", (text: Uint8Array) => void (said += String(text)));
    try {
      await new Promise((resolve) => plain.stdout.once("data", resolve));
      process.kill(plain.pid, "SIGUSR1"); // On Deno a `plain.kill` takes the child for dead, whatever the signal.
      await waitUntil(() => said.includes("Debugger listening"));
      assert.is(listening(plain.pid).length, 1);
    } finally {
      process.kill(plain.pid, "SIGKILL");
    }

    await withPuppet({}, async (guard) => {
      // Deno, from 2.9.2 on, listens for the signal half a second after its start, and beside a listener of ours.
      await delay(1_000);
      for (let i = 0; i < 3; i++) {
        process.kill(guard.pid, "SIGUSR1");
        await delay(200);
      }
      assert.not.match(guard.stderr, /[Dd]ebugger|inspector/);
      assert.equal(listening(guard.pid), []);
      assert.is(textOf(await guard.call("echo", { a: 1 })), '{"a":1}');
    });
  }),
);

for (
  const make of [
    (hook: string) => `--require=${hook}`,
    (hook: string) => `--require ${hook}`,
    (hook: string) => `-r ${hook}`,
    (hook: string) => `--import=${hook}`,
    (hook: string) => `--max-old-space-size=512 --import "${hook}"`,
    () => "--inspect=127.0.0.1:0",
    () => "--no-warnings --inspect=0",
  ]
) {
  const shown = make("HOOK");
  it(
    `NODE_OPTIONS='${shown}' is refused before the server is started`,
    limited(30_000, () =>
      withTempDir(async (folder) => {
        if (skipUnless(ON_NODE, "NODE_OPTIONS is node's")) return;
        const hook = join(folder, "hook.cjs");
        writeFileSync(hook, "");
        const record = join(folder, "received");
        const server = [NODE, fixture("puppet.mjs"), record];
        await withGuard({ server, env: { NODE_OPTIONS: make(hook) } }, async (guard) => {
          guard.send({ jsonrpc: "2.0", id: 1, method: "ping" });
          assert.equal(await endOf(guard), { code: 1, signal: null });
          assert.match(
            guard.stderr,
            /Cannot start: '--?[a-z-]+' in NODE_OPTIONS (loads code|opens an inspector)/,
          );
          assert.match(guard.stderr, /ERR_CONFIG_INVALID/);
          assert.not.ok(existsSync(record));
          assert.equal(guard.lines, []);
        });
      })),
  );
}

it(
  "harmless NODE_OPTIONS are taken",
  limited(
    30_000,
    () =>
      withPuppet({ env: { NODE_OPTIONS: "--max-old-space-size=512 --no-warnings" } }, async (guard) => {
        assert.is(textOf(await guard.call("echo", {})), "{}");
      }),
  ),
);

it(
  "an inspector on the guard's own command line is refused",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      if (skipUnless(ON_NODE, "the bundle runs on node")) return;
      const [node, bundle = ""] = guardCommand();
      const options = ["run", "--audit", join(folder, "audit.jsonl"), "--", NODE, fixture("echo.mjs")];
      const guard = spawn(node, ["--inspect=127.0.0.1:0", bundle, ...options], {
        stdio: ["pipe", "ignore", "pipe"],
      });
      let said = "";
      guard.stderr.on("data", (text: Uint8Array) => void (said += String(text)));
      const code = await new Promise((resolve) => guard.once("close", resolve));
      assert.is(code, 1);
      assert.match(said, /Cannot start: '--inspect' in the runtime's arguments opens an inspector/);
    })),
);

it(
  "a process of the same user writes into a child's pipe through /proc; the guard's child has no such door",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      if (skipUnless(process.platform === "linux", "needs /proc")) return;
      const record = join(folder, "naive");
      // A pipe, as most programs give it to their children. (Node itself gives a socket.)
      const naive = spawn("sh", ["-c", `cat | exec "$0" "$1" "$2"`, NODE, fixture("puppet.mjs"), record], {
        stdio: ["pipe", "ignore", "ignore"],
      });
      try {
        await waitUntil(() => puppetBehind(naive.pid ?? 0) !== undefined);
        const door = openSync(`/proc/${puppetBehind(naive.pid ?? 0)}/fd/0`, "w");
        writeSync(door, INJECTED);
        closeSync(door);
        await waitUntil(() => existsSync(record) && readFileSync(record, "utf8").includes("injected"));
      } finally {
        naive.stdin.end();
        await new Promise((resolve) => naive.once("exit", resolve));
      }

      await withPuppet({}, async (guard) => {
        const child = puppetBehind(guard.pid);
        assert.ok(child !== undefined);
        for (const mode of ["w", "r+", "r"]) {
          assert.throws(() => openSync(`/proc/${child}/fd/0`, mode), /ENXIO|EACCES|No such device/);
        }
        await guard.request("ping");
        assert.not.ok(guard.received().some((line) => line.includes("injected")));
      });
    })),
);

it.run();

/** The server among the processes behind this one. */
function puppetBehind(pid: number): number | undefined {
  return descendantsOf(pid).find((it) => /^\S*node\S* \S*puppet\.mjs /.test(commandLine(it)));
}

/** TCP sockets on which this process listens; an inspector would be one. */
function listening(pid: number): string[] {
  const rows = ["tcp", "tcp6"].flatMap((it) => readFileSync(`/proc/${pid}/net/${it}`, "utf8").split("\n"));
  const LISTEN = "0A";
  const inodes = rows.map((row) => row.trim().split(/\s+/)).filter((it) => it[3] === LISTEN).map((it) =>
    it[9]
  );
  return descriptors(pid).filter((it) => inodes.some((inode) => it === `socket:[${inode}]`));
}

/** Where its descriptors lead. It is non-dumpable, so only root may look; stderr tells the same to everybody else. */
function descriptors(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((fd) => readlinkSync(join(folder, fd)));
  } catch (error) {
    if (process.getuid?.() === 0) throw error;
    return [];
  }
}
