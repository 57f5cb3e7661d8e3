/** Bearers on loopback: where a token comes from, what it opens, and what ends it. */
import { existsSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, waitUntil, withTempDir } from "../harness.ts";
import { ask, fetchVia, INITIALIZE, MEDIA, openEvents, withListener } from "./listener.ts";
import {
  askAsAnother,
  askFor,
  asking,
  assertUntold,
  bearer,
  BOTH_ERAS,
  call,
  callModern,
  claimsOf,
  EARNED,
  endings,
  givenBy,
  initialize,
  LOOPBACK,
  notices,
  policy,
  PUPPET,
  refusals,
  secretOf,
} from "./tokens.ts";

const SECRET = { server: PUPPET, policy: policy(EARNED, "bootstrap: required"), listen: LOOPBACK };
const waived = (session: string) => ({
  server: PUPPET,
  policy: policy(session, "proof: not-required"),
  listen: LOOPBACK,
});

const tcp = suite("HTTP, bearers on loopback");

tcp(
  "the secret gives a token to whom an entry names, and the official client works with it",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const secret = secretOf(guard);
      assert.is((await ask(guard.at, "POST", MEDIA, INITIALIZE)).status, 401);
      assert.is((await askFor(guard.at)).status, 401);
      const token = givenBy(await askFor(guard.at, { bootstrap: secret }));
      assert.not(existsSync(join(guard.folder, "secret")));
      assert.equal(claimsOf(token)["cnf"], {});
      const agent = new Agent({ keepAlive: true });
      const transport = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${guard.at}/mcp`), {
        fetch: fetchVia(guard.at, agent),
        requestInit: { headers: bearer(token) },
      });
      const client = new Client({ name: "t", version: "1" });
      await client.connect(transport as never);
      const echoed = await client.callTool({ name: "echo", arguments: { a: 1 } });
      assert.match(JSON.stringify(echoed.content), /a/);
      const id = transport.sessionId!;
      const [start] = guard.records().filter((it) => it["type"] === "session-start");
      assert.is(claimsOf(id)["sid"], start!["session"]);
      assert.match(String(claimsOf(token)["sub"]), /\/uid-\d+\/me$/);
      assert.equal(notices(guard), ["earned"]);
      assertUntold(guard, secret, token, id);
      await client.close();
      agent.destroy();
    })),
);

tcp(
  "a bearer is its holder: another process may come back to its session, but not with the session's id alone",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const token = givenBy(await askFor(guard.at, { bootstrap: secretOf(guard) }));
      const headers = await initialize(guard.at, bearer(token));
      const { authorization: _, ...alone } = headers;
      const asked = (own: Record<string, string>) => ({ headers: own, body: call(1, "echo", { b: 1 }) });
      const [same, without, instead] = await askAsAnother(guard.at, [
        asked(headers),
        asked(alone),
        // What a session is called by is no bearer.
        asked({ ...headers, ...bearer(headers["mcp-session-id"]!) }),
      ]);
      assert.equal([same!.status, without!.status, instead!.status], [200, 401, 401]);
      assert.ok(refusals(guard).includes("ERR_TOKEN_FOREIGN http:token, session"));
    })),
);

tcp(
  "a token that still counts gives the next one, which is as good in the same session",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const token = givenBy(await askFor(guard.at, { bootstrap: secretOf(guard) }));
      const headers = await initialize(guard.at, bearer(token));
      const next = givenBy(await askFor(guard.at, {}, bearer(token)));
      assert.is(claimsOf(next)["sid"], claimsOf(token)["sid"]);
      const answer = await ask(guard.at, "POST", { ...headers, ...bearer(next) }, call(1, "echo"));
      assert.is(answer.status, 200);
      // By the socket alone nothing is renewed here.
      assert.is((await askFor(guard.at)).status, 401);
    })),
);

tcp(
  "proof: not-required: its user may have tokens for the asking, each a bearer of its own",
  limited(
    60_000,
    () =>
      withListener({ ...waived("token: {issue: initialize}"), server: BOTH_ERAS }, async (guard) => {
        const [one, other] = [givenBy(await askFor(guard.at)), givenBy(await askFor(guard.at))];
        assert.is.not(claimsOf(one)["sid"], claimsOf(other)["sid"]);
        const headers = await initialize(guard.at, bearer(one));
        const stolen = await ask(guard.at, "POST", { ...headers, ...bearer(other) }, call(1, "echo"));
        assert.is(stolen.status, 404);
        assert.ok(refusals(guard).includes("ERR_TOKEN_FOREIGN http:session-of-another"));
        for (const own of [bearer(one), bearer(other), {}]) {
          assert.match((await callModern(guard.at, own)).body, /"result"/);
        }
      }),
  ),
);

tcp(
  "an expired token is answered 401, and what was opened with it ends",
  limited(60_000, () =>
    withListener(waived("token: {issue: initialize, ttl: 2s}"), async (guard) => {
      const token = givenBy(await askFor(guard.at));
      const headers = await initialize(guard.at, bearer(token));
      const events = await openEvents(guard.at, "GET", headers);
      await events.ended;
      const late = await ask(guard.at, "POST", headers, call(1, "echo"));
      assert.is(late.status, 401);
      assert.is(late.headers["www-authenticate"], 'Bearer realm="mcp-guard", error="invalid_token"');
      assert.is((await askFor(guard.at, {}, bearer(token))).status, 401, "it gives no further one either");
      assert.match(refusals(guard)[0]!, /^ERR_TOKEN_EXPIRED http:token, (expired|session-over)$/);
      await waitUntil(() => endings(guard).length === 1, 10_000);
    })),
);

tcp(
  "max_age bounds how long tokens are renewed",
  limited(
    60_000,
    () =>
      withListener(waived("token: {issue: initialize, ttl: 1m}, max_age: 4s"), async (guard) => {
        const token = givenBy(await askFor(guard.at));
        const { exp, iat } = claimsOf(token);
        assert.ok(Number(exp) - Number(iat) <= 4);
        await waitUntil(async () => (await askFor(guard.at, {}, bearer(token))).status === 401, 10_000);
      }),
  ),
);

tcp(
  "attack: the right secret from a user whom no entry names gives nothing, and is not burned",
  limited(
    60_000,
    () =>
      withListener(
        { ...SECRET, policy: policy(EARNED, "uid: 54321, bootstrap: required") },
        async (guard) => {
          assert.is((await askFor(guard.at, { bootstrap: secretOf(guard) })).status, 401);
          assert.ok(existsSync(join(guard.folder, "secret")));
          assert.equal(notices(guard), []);
        },
      ),
  ),
);

tcp(
  "attack: the right secret for an entry that asks for none, and waives nothing, gives nothing",
  limited(60_000, () =>
    withListener({ ...SECRET, policy: policy(EARNED) }, async (guard) => {
      assert.is((await askFor(guard.at, { bootstrap: secretOf(guard) })).status, 401);
      assert.ok(existsSync(join(guard.folder, "secret")));
    })),
);

tcp(
  "attack: wrong guesses are limited, of two that race one wins at most, and the second use ends what was earned",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const secret = secretOf(guard);
      const guesses = Array.from({ length: 6 }, (_, at) => asking({ bootstrap: `guess-${at}` }));
      const answers = await askAsAnother(guard.at, guesses);
      assert.equal(answers.map(({ status }) => status), [401, 401, 401, 401, 401, 429]);
      assert.ok(existsSync(join(guard.folder, "secret")));
      const race = () => askAsAnother(guard.at, [asking({ bootstrap: secret })]);
      const [one, other] = (await Promise.all([race(), race()])).flat();
      const winners = [one!, other!].filter(({ status }) => status === 200);
      assert.ok(winners.length <= 1);
      assert.equal(notices(guard), ["earned", "stolen"]);
      for (const winner of winners) {
        assert.is(
          (await ask(guard.at, "POST", { ...MEDIA, ...bearer(givenBy(winner)) }, INITIALIZE)).status,
          401,
        );
      }
      assertUntold(guard, secret, "guess-");
    })),
);

tcp(
  "attack: a token that was made for a process at a Unix socket opens nothing over TCP, nor the other way round",
  limited(60_000, () =>
    withTempDir((folder) => {
      const unix = join(folder, "own/u.sock");
      const args = ["--listen", `unix+http:${unix}`];
      return withListener({ ...waived("token: {issue: initialize}"), args }, async (guard) => {
        await waitUntil(() => guard.stderr().includes("Listening at unix+http:"));
        const own = givenBy(await askFor(unix));
        const session = (await initialize(unix))["mcp-session-id"]!;
        for (const token of [own, session]) {
          const answer = await ask(guard.at, "POST", { ...MEDIA, ...bearer(token) }, INITIALIZE);
          assert.is(answer.status, 401);
        }
        const carried = givenBy(await askFor(guard.at));
        assert.is((await ask(unix, "POST", { ...MEDIA, ...bearer(carried) }, INITIALIZE)).status, 401);
        const told = new Set(refusals(guard));
        assert.equal(told, new Set(["ERR_TOKEN_FOREIGN http:token, session"]));
      });
    })),
);

tcp(
  "a policy that no longer has the entry ends its tokens and their sessions; one that still has it does not",
  limited(60_000, () =>
    withListener(waived("token: {issue: initialize}"), async (guard) => {
      const token = givenBy(await askFor(guard.at));
      const headers = await initialize(guard.at, bearer(token));
      const load = async (client: string) => {
        const loaded = guard.stderr().split("is loaded").length;
        const text = policy("token: {issue: initialize}", client);
        writeFileSync(join(guard.folder, "policy.yaml"), `${text}# ${loaded}\n`, { mode: 0o600 });
        process.kill(guard.pid, "SIGHUP");
        await waitUntil(() => guard.stderr().split("is loaded").length > loaded, 10_000);
      };
      const called = async () => (await ask(guard.at, "POST", headers, call(1, "echo"))).status;
      await load("proof: not-required");
      assert.is(await called(), 200);
      givenBy(await askFor(guard.at, {}, bearer(token)));
      await load("uid: self");
      assert.is(await called(), 401);
      assert.is((await askFor(guard.at, {}, bearer(token))).status, 401);
      await waitUntil(() => endings(guard).includes("policy-changed"), 10_000);
      await load("proof: not-required");
      assert.is(await called(), 401, "what has ended does not come back");
    })),
);

tcp.run();
