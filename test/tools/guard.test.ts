import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GuardProcess, limited, rejects, waitUntil, withGuard } from "../harness.ts";
import { ROOT } from "./runtimes.ts";

const fixture = (name: string) => [process.execPath, join(ROOT, `test/fixtures/servers/${name}.mjs`)];
const POLICY = "version: 1\nname: echo\nrules:\n  - {name: echo, tools: [echo], effect: allow}\n";

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const lending = suite("withGuard()");
lending(
  "talks to a guarded server, with a policy and an audit log",
  limited(30_000, () =>
    withGuard({ server: fixture("echo"), policy: POLICY }, async (guard) => {
      const opened = await guard.initialize();
      assert.ok(opened["result"], JSON.stringify(opened));
      const { result } = await guard.request("tools/call", { name: "echo", arguments: { a: 1 } });
      assert.match(JSON.stringify(result), /\\"a\\":1/);
      assert.ok(guard.audit().length > 0);
      assert.ok(guard.lines.length >= 2);
      guard.end();
      assert.is((await guard.exit).code, 0);
    })),
);

lending(
  "a body that throws: the guard is gone, and so is its folder",
  limited(30_000, async () => {
    let seen: GuardProcess | undefined;
    const thrown = Object.assign(new Error("mine"), { code: "MINE" });
    await rejects(
      withGuard({ server: fixture("echo") }, async (guard) => {
        seen = guard;
        await guard.initialize();
        throw thrown;
      }),
      { code: "MINE", message: /^mine/ },
    );
    assert.ok(seen);
    const { pid, folder } = seen;
    await waitUntil(() => !isAlive(pid));
    assert.not(existsSync(folder));
  }),
);

lending(
  "what never comes is an error that says what did",
  limited(30_000, () =>
    withGuard({ server: fixture("echo") }, async (guard) => {
      await guard.initialize();
      guard.send({ jsonrpc: "2.0", id: 7, method: "ping" });
      const waiting = guard.receive((message) => message["id"] === 8, 1_000);
      const error = await waiting.then(() => undefined, (it: Error) => it);
      assert.match(error?.message ?? "", /Nothing like it in 1000 ms; unread: .*"id":7/);
    })),
);
lending.run();
