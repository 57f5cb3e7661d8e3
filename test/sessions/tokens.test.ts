/** Tokens on the NDJSON doors: who gets one, where it counts, and what the server hears of it. */
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, skipUnless, waitUntil, withGuard, withTempDir } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { connectTo, type Listening, open, type Peer, withListener } from "./listening.ts";
import { withOtherProcess } from "./other-process.ts";
import { fixture, NODE, withPuppet } from "./puppet.ts";

const TOKEN = "dev.mcp-guard/token";
const policy = (session: string) => `version: 1\nname: puppet\nsession: ${session}\ndefault: allow\n`;
const OPENING: JsonRpc = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "x", version: "1" },
};

const metaOf = (answer: JsonRpc): JsonRpc => (answer["result"] as JsonRpc)?.["_meta"] as JsonRpc ?? {};
const codeOf = (answer: JsonRpc): unknown => (answer["error"] as JsonRpc | undefined)?.["code"];

function claimsOf(token: unknown): JsonRpc {
  return JSON.parse(Buffer.from(String(token).split(".")[1]!, "base64url").toString());
}

/** A session, with the token that it was given. */
async function openWithToken(guard: Listening): Promise<{ peer: Peer; token: string }> {
  const peer = await open(guard.path);
  const answer = await peer.request("again", "initialize", OPENING);
  return { peer, token: String(metaOf(answer)[TOKEN]) };
}

const reasons = (records: readonly JsonRpc[]) =>
  records.filter((it) => it["type"] === "decision" && it["effect"] === "deny").map((it) => it["reason"]);

const received = (guard: Listening) => readFileSync(join(guard.folder, "received"), "utf8");

const tokens = suite("session.token");
tokens(
  "issue: initialize gives the session a token that names it and its process",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { token } = await openWithToken(guard);
      const claims = claimsOf(token);
      const [start] = guard.records().filter((it) => it["type"] === "session-start");
      assert.is(claims["aud"], "puppet");
      assert.is(claims["sid"], start!["session"]);
      assert.match(String(claims["sub"]), /^spiffe:\/\/localhost\/uid-\d+\/(exe|uid)-[0-9a-f]+$/);
      assert.is(Number(claims["exp"]) - Number(claims["iat"]), 60);
      assert.match(String((claims["cnf"] as JsonRpc)["exe_sha256"]), /^[0-9a-f]{64}$/);
      assert.not(readFileSync(guard.audit, "utf8").includes(token));
      assert.not(guard.stderr().includes(token));
    }, { policy: policy("{token: {issue: initialize, ttl: 1m}}") })),
);

tokens(
  "without it there is none, and what a client writes under our keys is taken out all the same",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      assert.equal(metaOf(await peer.request("again", "initialize", OPENING)), {});
      const line =
        '{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":1.0},' +
        '"_meta":{"dev.mcp-guard/token":"x","progressToken":1e0,"dev.mcp-guard/identity":{"name":"admin"}}}}';
      peer.send(line);
      await peer.receive((it) => it["id"] === 7);
      const passed =
        '{"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":1.0},' +
        '"_meta":{"progressToken":1e0}}}\n';
      assert.ok(received(guard).endsWith(passed));
    })),
);

tokens(
  "shown where it belongs it counts, and the server never sees it",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { peer, token } = await openWithToken(guard);
      for (let id = 1; id < 4; id++) {
        const answer = await peer.call(id, "echo", { id }, { [TOKEN]: token });
        assert.match(JSON.stringify(answer["result"]), new RegExp(`id\\\\":${id}`));
      }
      assert.not(received(guard).includes("dev.mcp-guard"));
      assert.equal(reasons(guard.records()), []);
    }, { policy: policy("{token: {issue: initialize}}") })),
);

tokens(
  "attack: another process of the same user shows a stolen token, and is refused",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { peer, token } = await openWithToken(guard);
      await withOtherProcess(guard.path, async (thief) => {
        await thief.request(0, "initialize", OPENING);
        const stolen = await thief.request(1, "tools/call", {
          name: "echo",
          arguments: { who: "thief" },
          _meta: { [TOKEN]: token },
        });
        assert.is(codeOf(stolen), 1004);
      });
      assert.equal(reasons(guard.records()), ["ERR_TOKEN_FOREIGN:session"]);
      assert.not(received(guard).includes("thief"));
      // It counts where it belongs.
      assert.ok("result" in await peer.call(2, "echo", {}, { [TOKEN]: token }));
    }, { policy: policy("{token: {issue: initialize}}") })),
);

tokens(
  "attack: a forged token, one that is altered, and one in a notification go nowhere",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { peer, token } = await openWithToken(guard);
      const altered = token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA");
      assert.is(codeOf(await peer.call(1, "echo", { no: 1 }, { [TOKEN]: "x.y.z" })), 1004);
      assert.is(codeOf(await peer.call(2, "echo", { no: 2 }, { [TOKEN]: altered })), 1004);
      peer.send({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { _meta: { [TOKEN]: altered } },
      });
      assert.ok("result" in await peer.request(3, "ping"));
      const [first, ...others] = reasons(guard.records());
      assert.is(first, "ERR_TOKEN_INVALID:malformed");
      assert.is(others.length, 2);
      assert.not(received(guard).includes("progress"));
      assert.not(received(guard).includes("echo"));
    }, { policy: policy("{token: {issue: initialize}}") })),
);

tokens(
  "attack: a token outlives neither its session nor its time",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { peer, token } = await openWithToken(guard);
      assert.ok("result" in await peer.call(1, "echo", {}, { [TOKEN]: token }));
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      assert.is(codeOf(await peer.call(2, "echo", {}, { [TOKEN]: token })), 1004);
      assert.equal(reasons(guard.records()), ["ERR_TOKEN_EXPIRED:expired"]);
      // The session itself goes on.
      assert.ok("result" in await peer.call(3, "echo", {}));
    }, { policy: policy("{token: {issue: initialize, ttl: 2s}}") })),
);

tokens(
  "identity_to_server: selectors tells the server who asks, in each request, whatever the client wrote there",
  limited(60_000, () =>
    withPuppet({ policy: policy("{identity_to_server: selectors}") }, async (guard) => {
      await guard.request("tools/list");
      const called = await guard.request("tools/call", {
        name: "echo",
        arguments: { dear: "server" },
        _meta: {
          "Dev.MCP-Guard/Identity": { name: "admin" },
          "dev.mcp-guard/token": "admin",
          a: 1,
        },
      });
      assert.ok("result" in called, JSON.stringify(called));
      const [opening, initialized, list, call] = guard.received().map((line) => JSON.parse(line) as JsonRpc);
      assert.is((initialized as JsonRpc)["params"], undefined);
      for (const request of [opening, list, call]) {
        const meta = (request!["params"] as JsonRpc)["_meta"] as JsonRpc;
        const { name, id, session, selectors } = meta["dev.mcp-guard/identity"] as JsonRpc;
        assert.match(String(name), /^(exe|uid)-/);
        assert.is(String(id).split("/").at(-1), name);
        assert.type(session, "string");
        assert.ok((selectors as string[]).includes(`unix:uid:${process.getuid?.()}`));
      }
      const { _meta, ...rest } = call!["params"] as JsonRpc;
      assert.equal(rest, { name: "echo", arguments: { dear: "server" } });
      assert.equal(Object.keys(_meta as JsonRpc).sort(), ["a", "dev.mcp-guard/identity"]);
    })),
);

tokens(
  "identity_to_server: token gives the server a token that names the caller",
  limited(
    60_000,
    () =>
      withPuppet(
        { policy: policy("{token: {issue: initialize}, identity_to_server: token}") },
        async (guard) => {
          await guard.call("echo", {});
          const requests = guard.received().map((line) => JSON.parse(line) as JsonRpc).filter((it) =>
            "id" in it
          );
          // Our own question for its tools is nobody's.
          const asked = requests.filter((it) => !String(it["id"]).startsWith("mcp-guard-"));
          assert.is(asked.length, 2);
          for (const request of asked) {
            const meta = (request["params"] as JsonRpc)["_meta"] as JsonRpc;
            assert.is(claimsOf(meta[TOKEN])["aud"], "puppet");
          }
        },
      ),
  ),
);

tokens(
  "a request whose _meta cannot be added to is refused where the server is told who asks",
  limited(60_000, () =>
    withPuppet({ policy: policy("{identity_to_server: selectors}") }, async (guard) => {
      const answer = await guard.request("tools/list", { _meta: [1] } as JsonRpc);
      assert.is(codeOf(answer), -32602);
      assert.is(guard.received().length, 2);
    })),
);

tokens(
  "a server cannot hand out tokens in our name",
  limited(60_000, () => {
    const forged = JSON.stringify({
      protocolVersion: "2025-11-25",
      capabilities: {},
      serverInfo: { name: "x", version: "1" },
      _meta: { [TOKEN]: "forged", a: 1 },
    });
    const check = (session: string, expected: (meta: JsonRpc) => void) =>
      withPuppet({ policy: policy(session), answers: { initialize: forged } }, async (guard) => {
        expected(metaOf(await guard.request("initialize", OPENING)));
      });
    return Promise.all([
      check("{}", (meta) => assert.equal(meta, { a: 1 })),
      check("{token: {issue: initialize}}", (meta) => {
        assert.is(meta["a"], 1);
        assert.is(claimsOf(meta[TOKEN])["aud"], "puppet");
      }),
    ]);
  }),
);

tokens(
  "another policy leaves a living session its token, and ends one that now had to show the secret",
  limited(60_000, () => {
    const before = policy("{token: {issue: initialize}}");
    return withListener(async (guard) => {
      const load = async (text: string) => {
        const loaded = guard.stderr().split("is loaded").length;
        writeFileSync(join(guard.folder, "policy.yaml"), text, { mode: 0o600 });
        process.kill(guard.pid, "SIGHUP");
        await waitUntil(() => guard.stderr().split("is loaded").length > loaded, 10_000);
      };
      const client = (more: string) => `${before}clients: [{name: me, uid: self${more}}]\n`;
      await load(client(""));
      const { peer, token } = await openWithToken(guard);
      await load(`${client("")}# changed\n`);
      assert.ok("result" in await peer.call(1, "echo", {}, { [TOKEN]: token }));
      await load(client(", bootstrap: required"));
      await waitUntil(() => guard.records().some((it) => it["type"] === "session-end"), 10_000);
      const [end] = guard.records().filter((it) => it["type"] === "session-end");
      assert.is((end!["detail"] as JsonRpc)["reason"], "policy-changed");
      assert.match(guard.stderr(), /counts when the guard is started anew/);
      // No secret was made at the start, so nobody can show one: closed, not open.
      const late = await connectTo(guard.path);
      assert.is(codeOf(await late.request(0, "initialize", OPENING)), 1004);
    }, { policy: before });
  }),
);

tokens(
  "key: the same key signs for one guard after another, and one that others can read is refused",
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const key = join(folder, "key.pem");
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const withKey = policy(`{token: {issue: initialize, key: ${key}}}`);
      const kid = () =>
        withPuppet({ policy: withKey }, async (guard) => {
          const token = String(metaOf(await guard.request("initialize", OPENING))[TOKEN]);
          return JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid as string;
        });
      const first = await kid();
      assert.match(first, /^[\w-]{43}$/);
      assert.is(await kid(), first);
      chmodSync(key, 0o640);
      await withGuard({ policy: withKey, server: [NODE, fixture("silent.mjs")] }, async (guard) => {
        assert.is((await guard.exit).code, 1);
        assert.match(guard.stderr, /Cannot trust the signing key: .*chmod 600/);
      });
    })),
);

tokens(
  "a guard without tokens does not load what makes them",
  limited(60_000, async () => {
    if (skipUnless(!("Deno" in globalThis), "only the bundle has chunks that are loaded later")) return;
    const loads = async (session: string) => {
      let said = "";
      const env = { NODE_DEBUG: "module" };
      await withPuppet({ policy: policy(session), env }, async (guard) => void (said = guard.stderr));
      const chunks = [...new Set(said.match(/chunks\/[\w.-]+\.js/g))];
      assert.ok(chunks.length > 0);
      return chunks.some((name) =>
        readFileSync(join(ROOT, "dist", name), "utf8").includes("ERR_JWS_INVALID")
      );
    };
    assert.is(await loads("{}"), false);
    assert.is(await loads("{token: {issue: initialize}}"), true);
  }),
);
tokens.run();
