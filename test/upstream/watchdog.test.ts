import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startWatchdog } from "../../sidecar/upstream/watchdog.ts";
import { limited, waitUntil } from "../harness.ts";
import { isRunning, platform, processesWith, withGuardLike } from "./support.ts";

const test = suite("watchdog");

/** Tells our servers from those of other tests that run at the same time. */
const MARK = `watchdog-test-${process.pid}`;

function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

/** Living processes of a group. */
function membersOf(group: number): number[] {
  return processesWith("").filter((pid) => {
    try {
      return groupOf(pid) === group;
    } catch {
      return false; // Gone between the listing and the look.
    }
  });
}

const watchdogOf = (group: number) => processesWith(`mcp-guard-watchdog ${group}`);

for (const server of ["echo", "ignores-eof", "ignores-sigterm", "floods", "forks-and-exits"]) {
  test(
    `kill -9 of the guard leaves nothing of the server that is '${server}'`,
    limited(30_000, () =>
      withGuardLike(`${server} ${MARK}`, undefined, async (guard) => {
        assert.is(watchdogOf(guard.server).length, 1);
        assert.ok(isRunning(guard.server));
        process.kill(guard.pid, "SIGKILL");
        await waitUntil(() => !isRunning(guard.server), 8_000);
        await waitUntil(() => watchdogOf(guard.server).length === 0, 8_000);
        // SIGKILL was sent; dying takes the others a moment too.
        await waitUntil(() => membersOf(guard.server).length === 0);
        assert.equal(processesWith(MARK).filter((pid) => pid !== guard.pid), []);
      })),
  );
}

test(
  "it is in a session of its own, and a signal to the end of a session does not stop it",
  limited(15_000, () =>
    withGuardLike("ignores-sigterm", undefined, async (guard) => {
      const [watchdog] = watchdogOf(guard.server);
      assert.is(groupOf(watchdog!), watchdog);
      for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.kill(watchdog!, signal);
      process.kill(guard.pid, "SIGKILL");
      await waitUntil(() => !isRunning(guard.server), 8_000);
      await waitUntil(() => !isRunning(watchdog!), 8_000);
    })),
);

test(
  "the child does not hold the watchdog's input, nor the watchdog the child's",
  limited(15_000, () =>
    withGuardLike("echo", undefined, (guard) => {
      const [watchdog] = watchdogOf(guard.server);
      const sockets = (pid: number) =>
        readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
          .filter((link) => link.startsWith("socket:"));
      assert.ok(sockets(watchdog!).length >= 1);
      assert.equal(new Set(sockets(watchdog!)).size, 1);
      assert.not.ok(sockets(guard.server).some((link) => sockets(watchdog!).includes(link)));
    })),
);

test(
  "dismissed, it does nothing and is reaped",
  limited(15_000, async () => {
    const bystander = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    const exited = new Promise((resolve) => bystander.once("exit", resolve));
    try {
      const watchdog = startWatchdog(bystander.pid!, platform);
      assert.is(watchdogOf(bystander.pid!).length, 1);
      await watchdog!.dismiss();
      assert.equal(watchdogOf(bystander.pid!), []);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(isRunning(bystander.pid!));
    } finally {
      bystander.kill("SIGKILL");
      await exited;
    }
  }),
);

test.run();
