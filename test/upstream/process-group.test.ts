import { spawn } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ProcessGroup } from "../../sidecar/upstream/process-group.ts";
import { waitUntil } from "../harness.ts";
import { isRunning } from "./support.ts";

const test = suite("ProcessGroup");

for (const id of [0, 1, -1, -5, NaN, 1.5, Infinity]) {
  test(`the number ${id} is no group: kill(2) would take it for everybody`, () => {
    assert.throws(() => new ProcessGroup(id), (error: unknown) => error instanceof RangeError);
  });
}

test("after the leader was reaped a process with its number is a stranger, and not signalled", async () => {
  const stranger = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  const exited = new Promise((resolve) => stranger.once("exit", resolve));
  try {
    const group = new ProcessGroup(stranger.pid!);
    group.markLeaderReaped();
    assert.ok(group.isEmpty());
    group.signal("SIGKILL");
    // A signal that was sent would be pending already: kill(2) is synchronous.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(isRunning(stranger.pid!));
  } finally {
    stranger.kill("SIGKILL");
    await exited;
  }
});

test("a group outlives its leader, and is reached", async () => {
  const leader = spawn("sh", ["-c", "sleep 600 & echo $!"], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let printed = "";
  leader.stdout.on("data", (chunk) => printed += String(chunk));
  const group = new ProcessGroup(leader.pid!);
  assert.not.ok(group.isEmpty());
  await new Promise((resolve) => leader.once("exit", resolve));
  group.markLeaderReaped();
  await waitUntil(() => printed.includes("\n"));
  assert.ok(isRunning(Number(printed)));
  assert.not.ok(group.isEmpty());
  group.signal("SIGTERM");
  await waitUntil(() => group.isEmpty());
  assert.not.ok(isRunning(Number(printed)));
});

test.run();
