import { realpathSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withGuard } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { newerNodes } from "./installed.ts";

const ECHO = [process.execPath, join(ROOT, "test/fixtures/servers/echo.mjs")];
const POLICY = `
version: 1
name: echo
rules:
  - name: echo
    tools: [echo]
    effect: allow
`;

const smoke = suite(`guard on Node ${process.version}`);
smoke("this is one of the newer versions, and the guard runs on it too", () => {
  const expected = newerNodes().map((it) => realpathSync(it.binary));
  assert.ok(expected.includes(realpathSync(process.execPath)), process.execPath);
});

smoke(
  "opens, lists tools, calls one, refuses another, and writes both down",
  limited(60_000, () =>
    withGuard({ server: ECHO, policy: POLICY }, async (guard) => {
      const opened = await guard.initialize();
      assert.ok(opened["result"]);
      const listed = await guard.request("tools/list");
      const { tools } = listed["result"] as { tools: { name: string }[] };
      assert.equal(tools.map((it) => it.name), ["echo"]);
      const called = await guard.request("tools/call", { name: "echo", arguments: { text: "hello" } });
      assert.match(JSON.stringify(called["result"]), /hello/);
      const refused = await guard.request("tools/call", { name: "no-such-tool", arguments: {} });
      assert.is((refused["result"] as { isError?: boolean }).isError, true);
      const decisions = guard.audit().filter((it) =>
        it["method"] === "tools/call" && it["type"] === "decision"
      );
      assert.equal(decisions.map((it) => it["effect"]), ["allow", "deny"]);
      guard.end();
      assert.is((await guard.exit).code, 0);
    })),
);
smoke.run();
