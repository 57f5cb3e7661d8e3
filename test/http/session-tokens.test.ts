/** Legacy sessions that are called by a token: whose they are, and how long. */
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, waitUntil } from "../harness.ts";
import { ask, fetchVia, withListener } from "./listener.ts";
import {
  askAsAnother,
  askFor,
  assertUntold,
  call,
  claimsOf,
  EARNED,
  endings,
  givenBy,
  initialize,
  LOOPBACK,
  policy,
  PUPPET,
  refusals,
  secretOf,
} from "./tokens.ts";

const ISSUED = { server: PUPPET, policy: policy("token: {issue: initialize}, max_age: 1h") };
const WAIVED = {
  server: PUPPET,
  policy: policy("token: {issue: initialize}, max_age: 1h", "proof: not-required"),
  listen: LOOPBACK,
};

const sessions = suite("HTTP, sessions called by a token");

for (const options of [ISSUED, WAIVED]) {
  const where = options === ISSUED ? "at a Unix socket" : "on loopback";
  sessions(
    `an unmodified client is told a token as its session's id, and returns it, ${where}`,
    limited(60_000, () =>
      withListener(options, async (guard) => {
        const agent = new Agent({ keepAlive: true });
        const host = typeof guard.at === "string" ? "localhost" : `127.0.0.1:${guard.at}`;
        const transport = new StreamableHTTPClientTransport(new URL(`http://${host}/mcp`), {
          fetch: fetchVia(guard.at, agent),
        });
        const client = new Client({ name: "t", version: "1" });
        await client.connect(transport as never);
        const echoed = await client.callTool({ name: "echo", arguments: { a: 1 } });
        assert.match(JSON.stringify(echoed.content), /a/);
        const claims = claimsOf(transport.sessionId!);
        const [start] = guard.records().filter((it) => it["type"] === "session-start");
        assert.is(claims["sid"], start!["session"]);
        assert.is(claims["aud"], "puppet");
        assert.match(String(claims["sub"]), /^spiffe:\/\/localhost\/uid-\d+\/me$/);
        assert.is(Number(claims["exp"]) - Number(claims["iat"]), 3600);
        assert.is("exe_sha256" in (claims["cnf"] as object), options === ISSUED);
        assertUntold(guard, transport.sessionId!);
        await transport.terminateSession();
        await client.close();
        agent.destroy();
      })),
  );
}

for (const options of [ISSUED, WAIVED]) {
  const where = options === ISSUED ? "at a Unix socket" : "on loopback";
  sessions(
    `attack: another process of the same user shows the token, and finds no session, ${where}`,
    limited(60_000, () =>
      withListener(options, async (guard) => {
        const headers = await initialize(guard.at);
        const stolen = await askAsAnother(
          guard.at,
          ["POST", "GET", "DELETE"].map((method) => ({
            method,
            headers,
            ...(method === "POST" ? { body: call(1, "echo", { who: "thief" }) } : {}),
          })),
        );
        assert.equal(stolen.map(({ status }) => status), [404, 404, 404]);
        await waitUntil(() => refusals(guard).length === 3);
        assert.equal(new Set(refusals(guard)), new Set(["ERR_TOKEN_FOREIGN http:session-of-another"]));
        assert.not(readFileSync(join(guard.folder, "received"), "utf8").includes("thief"));
        // A further connection of the one that it belongs to.
        assert.is((await ask(guard.at, "POST", headers, call(2, "echo"))).status, 200);
        assertUntold(guard, headers["mcp-session-id"]!);
      })),
  );
}

sessions(
  "attack: an altered token, one of another use, and the session's plain id open nothing",
  limited(60_000, () =>
    withListener(ISSUED, async (guard) => {
      const headers = await initialize(guard.at);
      const token = headers["mcp-session-id"]!;
      const show = async (id: string) =>
        (await ask(guard.at, "POST", { ...headers, "mcp-session-id": id }, call(1, "echo"))).status;
      assert.is(await show(token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA")), 404);
      assert.is(await show(String(claimsOf(token)["sid"])), 404);
      assert.is(await show(givenBy(await askFor(guard.at))), 404);
      assert.is(await show(`${token}=`), 404);
      assert.is(await show("x".repeat(8000)), 404);
      assert.is(await show(token), 200);
      await waitUntil(() => refusals(guard).length > 0);
      assert.ok(refusals(guard).includes("ERR_TOKEN_INVALID http:session-token, signature"));
    })),
);

sessions(
  "a token ends with its session, however that ends",
  limited(
    60_000,
    () =>
      withListener(
        { ...ISSUED, policy: policy("token: {issue: initialize}, max_age: 3s") },
        async (guard) => {
          const [first, second] = [await initialize(guard.at), await initialize(guard.at)];
          assert.is((await ask(guard.at, "DELETE", first)).status, 200);
          assert.is((await ask(guard.at, "POST", first, call(1, "echo"))).status, 404);
          assert.is((await ask(guard.at, "POST", second, call(1, "echo"))).status, 200);
          await waitUntil(() => endings(guard).includes("max-age"), 10_000);
          assert.is((await ask(guard.at, "POST", second, call(2, "echo"))).status, 404);
          // Neither is said of a session's owner.
          assert.equal(refusals(guard), []);
        },
      ),
  ),
);

sessions(
  "issue: bootstrap: only who has shown the secret is told a token; the others' ids say nothing",
  limited(60_000, () =>
    withListener({ server: PUPPET, policy: policy(EARNED) }, async (guard) => {
      const plain = await initialize(guard.at);
      assert.match(plain["mcp-session-id"]!, /^[\w-]{43}$/);
      givenBy(await askFor(guard.at, { bootstrap: secretOf(guard) }));
      const headers = await initialize(guard.at);
      assert.is(claimsOf(headers["mcp-session-id"]!)["aud"], "puppet");
      for (const own of [plain, headers]) {
        assert.is((await ask(guard.at, "POST", own, call(1, "echo"))).status, 200);
      }
    })),
);

sessions(
  "issue: initialize with bootstrap: required: the secret in the opening earns the token in its answer's head",
  limited(60_000, () =>
    withListener({
      server: PUPPET,
      policy: policy("token: {issue: initialize}, bootstrap: {file: $PROJECT/secret}", "bootstrap: required"),
    }, async (guard) => {
      const opening = (meta: object) =>
        JSON.stringify({
          jsonrpc: "2.0",
          id: 0,
          method: "initialize",
          params: {
            protocolVersion: "2025-11-25",
            capabilities: {},
            clientInfo: { name: "x", version: "1" },
            _meta: meta,
          },
        });
      const media = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      const locked = await ask(guard.at, "POST", media, opening({}));
      assert.match(locked.body, /"code":1004/);
      assert.match(locked.headers["mcp-session-id"]!, /^[\w-]{43}$/);
      const secret = secretOf(guard);
      const opened = await ask(guard.at, "POST", media, opening({ "dev.mcp-guard/bootstrap": secret }));
      assert.match(opened.body, /"result"/);
      assert.is(claimsOf(opened.headers["mcp-session-id"]!)["aud"], "puppet");
      // The process has shown it: its next session need not, nor need it at /token.
      await initialize(guard.at);
      givenBy(await askFor(guard.at));
      assertUntold(guard, secret);
    })),
);

sessions.run();
