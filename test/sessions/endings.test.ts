/** However a session ends: everybody is told, nobody is left, and the audit log is whole. */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GuardProcess, type JsonRpc, limited, waitUntil, withGuard } from "../harness.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { descendantsOf, isAlive } from "./processes.ts";
import { endOf, errorOf, fixture, NODE, withPuppet } from "./puppet.ts";

const byId = (id: unknown) => (message: JsonRpc) => message["id"] === id && !("method" in message);
const hold = (id: number) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "hold" } });

async function assertAllGone(pids: readonly number[]): Promise<void> {
  assert.ok(pids.length > 0, "the guard had no process behind it");
  await waitUntil(() => !pids.some(isAlive), 3_000);
}

/** Reasons under which it recorded the end of the session and of itself. */
function recordedEnd(guard: GuardProcess): { readonly exit: JsonRpc; readonly last: unknown } {
  const records = guard.audit();
  const exit = records.find((it) => it["type"] === "upstream-exit")?.["detail"] as JsonRpc;
  return { exit, last: records.at(-1)?.["type"] };
}

const server = suite("the server ends");

for (
  const { name, call, code } of [
    { name: "with code 0", call: { name: "exit", arguments: { code: 0 } }, code: 0 },
    { name: "with code 3", call: { name: "exit", arguments: { code: 3 } }, code: 3 },
    { name: "with code 255", call: { name: "exit", arguments: { code: 255 } }, code: 255 },
    {
      name: "in the middle of a line",
      call: { name: "exit", arguments: { code: 3, utter: '{"jsonrpc":"2.0","id":1,"re' } },
      code: 3,
    },
    { name: "by SIGKILL", call: { name: "die", arguments: { signal: "SIGKILL" } }, code: 137 },
    { name: "by SIGSEGV", call: { name: "die", arguments: { signal: "SIGSEGV" } }, code: 139 },
  ]
) {
  server(
    `${name}: each pending request is answered 1005, and the guard ends with ${code}`,
    limited(30_000, () =>
      withPuppet({}, async (guard) => {
        guard.send(hold(1));
        guard.send(hold(2));
        guard.send({ jsonrpc: "2.0", id: 3, method: "tools/call", params: call });
        for (const id of [1, 2, 3]) assert.is(errorOf(await guard.receive(byId(id))).code, 1005);
        assert.equal(await endOf(guard), { code, signal: null });
        for (const line of guard.lines) JSON.parse(line);
        assert.is(recordedEnd(guard).last, "stop");
        const noise = guard.audit().filter((it) => it["type"] === "upstream-noise");
        assert.is(noise.length, call.arguments.utter === undefined ? 0 : 1);
        await verifyUnaltered(guard.auditFile);
      })),
  );
}

for (
  const { name, command, code } of [
    { name: "is not there", command: ["/nowhere/server"], code: 127 },
    { name: "is on no PATH", command: ["there-is-no-such-server"], code: 127 },
    { name: "is no program", command: [fixture("../../sessions/puppet.ts")], code: 127 },
    { name: "is a folder", command: ["/"], code: 127 },
  ]
) {
  server(
    `one that ${name}: the client is told, the guard ends with ${code}`,
    limited(30_000, () =>
      withGuard({ server: command }, async (guard) => {
        const error = errorOf(
          await guard.request("initialize", { protocolVersion: "2025-11-25", capabilities: {} }),
        );
        assert.is(error.code, 1005);
        assert.not.match(error.message, /\//, "a path crossed the wire");
        assert.equal(await endOf(guard), { code, signal: null });
        assert.match(guard.stderr, /ERR_UPSTREAM_LAUNCH|Cannot start/);
        await verifyUnaltered(guard.auditFile);
      })),
  );
}

server(
  "one that refuses to start: its own words and code are handed on, and the client is told",
  limited(30_000, () =>
    withGuard({ server: [NODE, fixture("refuses-to-start.mjs")] }, async (guard) => {
      const answer = await guard.request("initialize", { protocolVersion: "2025-11-25", capabilities: {} });
      assert.is(errorOf(answer).code, 1005);
      assert.equal(await endOf(guard), { code: 2, signal: null });
      assert.match(guard.stderr, /API_KEY is not set/);
    })),
);

server.run();

const client = suite("the client ends");

client(
  "end of input: the server sees its own end of input, and both exit 0",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      const behind = descendantsOf(guard.pid);
      guard.end();
      assert.equal(await endOf(guard), { code: 0, signal: null });
      await assertAllGone(behind);
      assert.is(recordedEnd(guard).exit["cause"], "peer-gone");
      const report = await verifyUnaltered(guard.auditFile);
      assert.equal(report.chains.map((it) => it.end), ["stopped"]);
    })),
);

client(
  "end of input behind a call: the call is still answered",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.send({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "wait", arguments: { ms: 300 } },
      });
      guard.end();
      assert.ok("result" in await guard.receive(byId(1)));
      assert.equal(await endOf(guard), { code: 0, signal: null });
    })),
);

client(
  "half a line at its end never reaches the server, and is recorded",
  limited(30_000, () =>
    withPuppet({}, async (guard) => {
      guard.write('{"jsonrpc":"2.0","id":1,"method":"ping"}');
      guard.end();
      await endOf(guard);
      assert.is(guard.received().length, 2);
      assert.ok(guard.audit().some((it) => String(it["reason"]).endsWith(":half-a-line")));
    })),
);

for (
  const { name, command } of [
    { name: "a server that stays at end of input", command: [fixture("ignores-eof.mjs")] },
    { name: "a server that ignores SIGTERM too", command: [fixture("ignores-sigterm.mjs")] },
    { name: "what a server leaves behind", command: [fixture("forks-and-exits.mjs")] },
  ]
) {
  client(
    `${name} is ended all the same`,
    limited(30_000, () =>
      withGuard({ server: [NODE, ...command] }, async (guard) => {
        await guard.initialize();
        await guard.request("ping");
        await waitUntil(() => descendantsOf(guard.pid).length >= (name.startsWith("what") ? 2 : 1));
        const behind = descendantsOf(guard.pid);
        guard.end();
        await endOf(guard);
        await assertAllGone(behind);
        await verifyUnaltered(guard.auditFile);
      })),
  );
}

client.run();

const signals = suite("the guard is signalled");

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  signals(
    `${signal}: pending calls are answered, the server ends by end of input, the log has its stop record`,
    limited(30_000, () =>
      withPuppet({}, async (guard) => {
        guard.send(hold(1));
        await waitUntil(() => guard.received().length === 3);
        const behind = descendantsOf(guard.pid);
        process.kill(guard.pid, signal); // Deno's `child.kill` reports the signal as the end, whatever the child did.
        assert.is(errorOf(await guard.receive(byId(1))).code, 1005);
        const { signal: endedBy } = await endOf(guard);
        assert.is(endedBy, null, "it did not end in good order");
        await assertAllGone(behind);
        const { exit, last } = recordedEnd(guard);
        // The server was asked by closing its input: a signal would stand here.
        assert.is(exit["signal"], null);
        assert.is(exit["cause"], "signal");
        assert.is(last, "stop");
        await verifyUnaltered(guard.auditFile);
      })),
  );
}

signals(
  "SIGKILL during calls: no process is left, the log verifies, and the next start is clean",
  limited(60_000, () =>
    withPuppet({}, async (guard) => {
      for (let id = 1; id <= 50; id++) guard.send(hold(id));
      await waitUntil(() => guard.received().length > 10);
      const behind = descendantsOf(guard.pid);
      guard.kill("SIGKILL");
      assert.is((await endOf(guard)).signal, "SIGKILL");
      await assertAllGone(behind);
      const report = await verifyUnaltered(guard.auditFile);
      assert.equal(report.chains.map((it) => it.end), ["unproven"]);

      // The later `--audit` counts: the second guard goes on with the first one's log.
      await withGuard(
        { server: [NODE, fixture("echo.mjs")], args: ["--audit", guard.auditFile] },
        async (next) => {
          await next.initialize();
          assert.ok("result" in await next.request("tools/call", { name: "echo" }));
          next.end();
          assert.equal(await endOf(next), { code: 0, signal: null });
          assert.not.ok(existsSync(next.auditFile));
        },
      );
      const both = await verifyUnaltered(guard.auditFile);
      assert.equal(both.chains.map((it) => it.end).toSorted(), ["stopped", "unproven"]);
    })),
);

signals(
  "SIGKILL of a guard whose server ignores end of input and SIGTERM leaves no process either",
  limited(60_000, () =>
    withGuard({ server: [NODE, fixture("ignores-sigterm.mjs")] }, async (guard) => {
      await guard.initialize();
      const behind = descendantsOf(guard.pid);
      guard.kill("SIGKILL");
      await endOf(guard);
      await waitUntil(() => !behind.some(isAlive), 10_000);
    })),
);

signals(
  "a log whose last record a crash cut off is gone on with, and that is said",
  limited(60_000, () =>
    withPuppet({}, async (guard) => {
      guard.kill("SIGKILL");
      await endOf(guard);
      const log = openSync(guard.auditFile, "a"); // not appendFileSync: Deno's makes the file writable for all
      writeSync(log, '{"v":1,"chain":"b7b');
      closeSync(log);
      await withGuard(
        { server: [NODE, fixture("echo.mjs")], args: ["--audit", guard.auditFile] },
        async (next) => {
          await next.initialize();
          next.end();
          await endOf(next);
          assert.match(next.stderr, /crash cut off/);
        },
      );
      assert.match(readFileSync(guard.auditFile, "utf8"), /\n$/);
      await verifyUnaltered(guard.auditFile);
    })),
);

signals.run();
