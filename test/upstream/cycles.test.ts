import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited } from "../harness.ts";
import { initialize, processesWith, server, withUpstream } from "./support.ts";

const test = suite("start and stop");

/** Tells our servers from those of other tests that run at the same time. */
const MARK = `cycles-test-${process.pid}`;

const descriptors = () => readdirSync("/proc/self/fd").length;

async function cycle(round: number): Promise<number> {
  const stdio = round % 4 === 3 ? "pipe" : "socket";
  const stderr = round % 2 === 1 ? { prefix: "[x] " } : {};
  return await withUpstream(server("echo", MARK), { stdio, stderr }, async ({ upstream, send, line }) => {
    send(initialize);
    await line(/"id":1/);
    assert.is((await upstream.stop("peer-gone")).code, 0);
    return upstream.pid;
  });
}

test(
  "twenty times leave no descriptor, no process and no zombie",
  limited(60_000, async () => {
    // The first ones open what stays: the digests' worker, the runtime's own channels.
    for (let round = 0; round < 4; round += 1) await cycle(round);
    const before = descriptors();
    const pids: number[] = [];
    for (let round = 0; round < 20; round += 1) pids.push(await cycle(round));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(descriptors() <= before, `${before} descriptors became ${descriptors()}`);
    assert.equal(processesWith(MARK), []);
    assert.equal(pids.flatMap((pid) => processesWith(`mcp-guard-watchdog ${pid}`)), []);
    const left = readdirSync("/proc").filter((entry) => pids.includes(Number(entry)));
    assert.equal(left, []);
  }),
);

test(
  "launches that are refused leave none either",
  limited(30_000, async () => {
    const refused = () =>
      withUpstream(server("echo"), { executableDigests: [] }, () => {}).then(
        () => "launched",
        () => "refused",
      );
    const lost = () =>
      withUpstream(["true"], { cwd: "/no/such" }, () => {}).then(() => "launched", () => "refused");
    await refused();
    const before = descriptors();
    for (let round = 0; round < 5; round += 1) {
      assert.equal([await refused(), await lost()], ["refused", "refused"]);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(descriptors() <= before);
  }),
);

test.run();
