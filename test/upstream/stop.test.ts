import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exitCodeOf } from "../../sidecar/upstream/exit.ts";
import { StopLadder } from "../../sidecar/upstream/stop.ts";
import { limited, waitUntil } from "../harness.ts";
import { initialize, isRunning, type Running, server, withUpstream } from "./support.ts";

const test = suite("stop()");

async function ready({ send, line }: Running): Promise<void> {
  send(initialize);
  await line(/"id":1/);
}

const endings: {
  name: string;
  server: string;
  expect: { code: number | undefined; signal: string | undefined };
}[] = [
  { name: "the end of its input is enough", server: "silent", expect: { code: 0, signal: undefined } },
  {
    name: "one that ignores it gets SIGTERM",
    server: "ignores-eof",
    expect: { code: undefined, signal: "SIGTERM" },
  },
  {
    name: "one that ignores that gets SIGKILL",
    server: "ignores-sigterm",
    expect: { code: undefined, signal: "SIGKILL" },
  },
];
for (const { name, server: fixture, expect } of endings) {
  test(
    name,
    limited(15_000, () =>
      withUpstream(server(fixture), { stopGraceMs: 300 }, async (running) => {
        if (fixture !== "silent") await ready(running);
        const begun = performance.now();
        assert.equal(await running.upstream.stop("peer-gone"), { ...expect, cause: "peer-gone" });
        const rungs = ["silent", "ignores-eof", "ignores-sigterm"].indexOf(fixture);
        assert.ok(performance.now() - begun >= rungs * 290, "each rung has its time of grace");
        assert.not.ok(isRunning(running.upstream.pid));
      })),
  );
}

test(
  "stopping again climbs at once, and the first cause is the one that is kept",
  limited(15_000, () =>
    withUpstream(server("ignores-sigterm"), { stopGraceMs: 600_000 }, async (running) => {
      await ready(running);
      const first = running.upstream.stop("signal");
      void running.upstream.stop("internal");
      void running.upstream.stop("respawn");
      assert.equal(await first, { code: undefined, signal: "SIGKILL", cause: "signal" });
    })),
);

test(
  "one that ended by itself has no cause, whoever stops it later",
  limited(15_000, () =>
    withUpstream(server("dies-on-discover"), {}, async ({ upstream, send }) => {
      send({ jsonrpc: "2.0", id: 1, method: "server/discover" });
      await upstream.exited;
      assert.is((await upstream.stop("peer-gone")).cause, undefined);
    })),
);

for (const args of [[], ["at-once"]]) {
  test(
    `what ${args[0] ?? "on request"} exits and leaves a stubborn process behind leaves none`,
    limited(
      15_000,
      () =>
        withUpstream(server("forks-and-exits", ...args), { stopGraceMs: 200 }, async ({ upstream, line }) => {
          const message = JSON.parse(await line(/"left"/)) as { params: { data: { left: number } } };
          const { left } = message.params.data;
          if (args.length === 0) {
            void upstream.stop("peer-gone");
          }
          assert.is((await upstream.exited).code, 0);
          await waitUntil(() => !isRunning(left));
        }),
    ),
  );
}

test(
  "the input that is not read yet is counted, and of a closed input nothing is said",
  limited(15_000, () =>
    withUpstream(["sleep", "600"], { stopGraceMs: 0 }, async ({ upstream }) => {
      assert.is(upstream.unreadInput(), 0);
      upstream.input.write(Buffer.alloc(1000));
      await waitUntil(() => (upstream.unreadInput() ?? 0) >= 1000);
      void upstream.stop("internal");
      assert.is(upstream.unreadInput(), undefined);
      await upstream.exited;
    })),
);

test("a ladder takes its rungs in order and stops where it is left", async () => {
  const taken: string[] = [];
  const ladder = new StopLadder({ endInput: () => taken.push("end"), signal: (name) => taken.push(name) }, 5);
  ladder.climb();
  assert.equal(taken, ["end"]);
  await waitUntil(() => ladder.isAtTop());
  assert.equal(taken, ["end", "SIGTERM", "SIGKILL"]);
  ladder.climb();
  assert.is(taken.length, 3);
  const orphans: string[] = [];
  const other = new StopLadder(
    { endInput: () => orphans.push("end"), signal: (name) => orphans.push(name) },
    5,
  );
  other.climbToTerm();
  other.climbToTerm();
  assert.is(orphans[0], "SIGTERM");
  await waitUntil(() => other.isAtTop());
  assert.equal(orphans, ["SIGTERM", "SIGKILL"]);
  const left = new StopLadder({ endInput() {}, signal: (name) => orphans.push(name) }, 5);
  left.climb();
  left.leave();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.is(orphans.length, 2);
});

const codes: { exit: { code: number | undefined; signal: string | undefined }; expect: number }[] = [
  { exit: { code: 0, signal: undefined }, expect: 0 },
  { exit: { code: 42, signal: undefined }, expect: 42 },
  { exit: { code: undefined, signal: "SIGTERM" }, expect: 143 },
  { exit: { code: undefined, signal: "SIGKILL" }, expect: 137 },
  { exit: { code: undefined, signal: "SIGWHATEVER" }, expect: 1 },
  { exit: { code: undefined, signal: undefined }, expect: 1 },
];
for (const { exit, expect } of codes) {
  test(`exit ${exit.code ?? exit.signal ?? "unexplained"} becomes ${expect}`, () =>
    assert.is(exitCodeOf(exit), expect));
}

test.run();
