/** `POST /token` at a Unix socket, with real processes that race for the secret, steal it and guess it; the public keys. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, rejects, waitUntil } from "../harness.ts";
import { ask, exchangeBytes, MEDIA, openEvents, withListener } from "./listener.ts";
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
  JSON_ONLY,
  LOOPBACK,
  notices,
  policy,
  PUPPET,
  refusals,
  secretOf,
} from "./tokens.ts";

const KEYS = "/.well-known/jwks.json";
const ISSUED = { server: BOTH_ERAS, policy: policy("token: {issue: initialize, ttl: 2m}") };
const SECRET = { server: BOTH_ERAS, policy: policy(EARNED, "bootstrap: required") };
const WAIVED = {
  ...ISSUED,
  policy: policy("token: {issue: initialize}", "proof: not-required"),
  listen: LOOPBACK,
};

const endpoint = suite("HTTP, /token");

endpoint(
  "an admitted process is given tokens for the asking, and nobody else may show them",
  limited(60_000, () =>
    withListener(ISSUED, async (guard) => {
      const token = givenBy(await askFor(guard.at));
      const claims = claimsOf(token);
      assert.is(Number(claims["exp"]) - Number(claims["iat"]), 120);
      assert.match(JSON.stringify(claims["cnf"]), /exe_sha256/);
      const again = givenBy(await askFor(guard.at));
      assert.is.not(again, token);
      assert.is(claimsOf(again)["sid"], claims["sid"]);
      for (const own of [token, again]) {
        assert.match((await callModern(guard.at, bearer(own))).body, /"result"/);
      }
      // At a Unix socket nobody has to show one.
      assert.match((await callModern(guard.at)).body, /"result"/);
      const request = { method: "GET", headers: { ...MEDIA, ...bearer(token) } };
      const [stolen, renewed] = await askAsAnother(guard.at, [
        request,
        { ...asking({}), headers: { ...JSON_ONLY, ...bearer(token) } },
      ]);
      assert.equal([stolen!.status, renewed!.status], [401, 401]);
      assert.match(stolen!.headers["www-authenticate"]!, /^Bearer realm="mcp-guard", error="invalid_token"$/);
      assert.match(stolen!.body, /\(mcp-guard [^)]+\)/);
      assert.equal(refusals(guard), [
        "ERR_TOKEN_FOREIGN http:token, peer",
        "ERR_TOKEN_FOREIGN http:token, peer",
      ]);
      assert.is((await callModern(guard.at, bearer(`${token.slice(0, -4)}AAAA`))).status, 401);
      assert.is((await callModern(guard.at, { authorization: "Basic eDp5" })).status, 401);
      assertUntold(guard, token, again);
    })),
);

endpoint(
  "the secret earns the process all its sessions, once, and what comes after needs none",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const secret = secretOf(guard);
      const before = await callModern(guard.at);
      assert.match(before.body, /"code":1004/, "and its session is there already");
      const missing = await askFor(guard.at);
      assert.equal([missing.status, missing.headers["www-authenticate"]], [401, 'Bearer realm="mcp-guard"']);
      const token = givenBy(await askFor(guard.at, { bootstrap: secret }));
      assert.not(existsSync(join(guard.folder, "secret")));
      assert.match((await callModern(guard.at, bearer(token))).body, /"result"/);
      givenBy(await askFor(guard.at));
      givenBy(await askFor(guard.at, {}, bearer(token)));
      // The answer may have been lost.
      givenBy(await askFor(guard.at, { bootstrap: secret }));
      assert.equal(notices(guard), ["earned"]);
      assert.ok(refusals(guard).includes("ERR_BOOTSTRAP_REQUIRED missing"));
      assertUntold(guard, secret, token);
    })),
);

endpoint(
  "attack: the right secret from a process that no entry admits gives nothing, and is not burned",
  limited(60_000, () =>
    withListener({
      server: PUPPET,
      policy: policy(EARNED, `executable: {sha256: [${"a".repeat(64)}]}, bootstrap: required`),
    }, async (guard) => {
      const answer = await askFor(guard.at, { bootstrap: secretOf(guard) });
      assert.is(answer.status, 403);
      assert.not(answer.body.includes("token"));
      assert.ok(existsSync(join(guard.folder, "secret")));
      assert.equal(notices(guard), []);
    })),
);

endpoint(
  "attack: wrong guesses burn nothing, and a process that guesses is soon not listened to",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const secret = secretOf(guard);
      const guesses = Array.from({ length: 5 }, (_, at) => asking({ bootstrap: `guess-${at}` }));
      const answers = await askAsAnother(guard.at, [...guesses, asking({ bootstrap: secret })]);
      assert.equal(answers.map(({ status }) => status), [401, 401, 401, 401, 401, 429]);
      assert.is(answers[5]!.headers["retry-after"], "1");
      assert.ok(existsSync(join(guard.folder, "secret")));
      assert.equal(refusals(guard), [
        ...Array.from({ length: 5 }, () => "ERR_BOOTSTRAP_REQUIRED wrong"),
        "ERR_BOOTSTRAP_REQUIRED limited",
      ]);
      givenBy(await askFor(guard.at, { bootstrap: secret }));
      assertUntold(guard, secret, "guess-");
    })),
);

endpoint(
  "attack: of two processes that race for the secret one gets a token at most, and the other is recorded",
  limited(60_000, () =>
    withListener(SECRET, async (guard) => {
      const secret = secretOf(guard);
      const race = () => askAsAnother(guard.at, [asking({ bootstrap: secret })]);
      const answers = (await Promise.all([race(), race()])).flat();
      // The first may be ended by the second before it is answered.
      assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
      assert.ok(answers.some(({ status }) => status === 401));
      assert.equal(notices(guard), ["earned", "stolen"]);
      assert.is(refusals(guard).filter((it) => it === "ERR_BOOTSTRAP_REQUIRED stolen").length, 1);
    })),
);

endpoint(
  "attack: shown a second time by another process, the secret ends all that it earned",
  limited(60_000, () =>
    withListener({ ...SECRET, server: PUPPET }, async (guard) => {
      const secret = secretOf(guard);
      const token = givenBy(await askFor(guard.at, { bootstrap: secret }));
      const headers = await initialize(guard.at, bearer(token));
      const events = await openEvents(guard.at, "GET", headers);
      const waiting = ask(guard.at, "POST", headers, call(1, "hold"));
      await waitUntil(() => readFileSync(join(guard.folder, "received"), "utf8").includes("hold"));
      const [thief] = await askAsAnother(guard.at, [asking({ bootstrap: secret })]);
      assert.is(thief!.status, 401);
      assert.match(thief!.body, /not right, or was used before/);
      assert.match((await waiting).body, /"code":1003/);
      await events.ended;
      await waitUntil(() => endings(guard).includes("bootstrap-stolen"), 10_000);
      assert.is((await ask(guard.at, "POST", headers, call(2, "echo"))).status, 401);
      assert.is((await askFor(guard.at)).status, 401);
      assert.equal(notices(guard), ["earned", "stolen"]);
      assert.match(guard.stderr(), /shown twice/);
    })),
);

const LETTERS: readonly {
  readonly title: string;
  readonly status: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}[] = [
  { title: "as it should be", status: 200 },
  { title: "text", headers: { "content-type": "text/plain" }, status: 415 },
  { title: "a form", headers: { "content-type": "application/x-www-form-urlencoded" }, status: 415 },
  { title: "a packed body", headers: { "content-encoding": "gzip" }, status: 415 },
  { title: "a foreign origin", headers: { origin: "http://evil.example" }, status: 403 },
  { title: "an opaque origin", headers: { origin: "null" }, status: 403 },
  { title: "a name that was made to lead here", headers: { host: "evil.example" }, status: 403 },
  { title: "a page of another site", headers: { "sec-fetch-site": "cross-site" }, status: 403 },
  { title: "no JSON", body: "{", status: 400 },
  { title: "nothing", body: "", status: 400 },
  { title: "a list", body: "[]", status: 400 },
  { title: "another member", body: '{"bootstrap":"x","scope":"y"}', status: 400 },
  { title: "no text", body: '{"bootstrap":1}', status: 400 },
  { title: "too long", body: `{"bootstrap":"${"x".repeat(2000)}"}`, status: 413 },
  { title: "a preflight", method: "OPTIONS", status: 405 },
  { title: "read", method: "GET", status: 405 },
  { title: "a token that is none", headers: { authorization: "Bearer x" }, status: 401 },
];

for (const options of [ISSUED, WAIVED]) {
  const where = options === ISSUED ? "at a Unix socket" : "on loopback";
  endpoint(
    `what a page may send, and what is malformed, is refused ${where}`,
    limited(60_000, () =>
      withListener(options, async (guard) => {
        for (const { title, status, method = "POST", headers, body = "{}" } of LETTERS) {
          const answer = await ask(
            guard.at,
            method,
            { ...JSON_ONLY, ...headers },
            method === "POST" ? body : undefined,
            undefined,
            "/token",
          );
          assert.is(answer.status, status, `${title}: ${answer.body}`);
          assert.not("access-control-allow-origin" in answer.headers, title);
          if (status !== 200) assert.match(answer.body, /"error":\{"code":/, title);
        }
        for (const path of ["/token/", "/token?x", "//token", "/Token", "/mcp/token"]) {
          assert.is((await ask(guard.at, "POST", JSON_ONLY, "{}", undefined, path)).status, 404, path);
        }
        const recorded = ["http:origin", "http:host", "http:cross-site"].map((it) =>
          `ERR_PEER_REFUSED ${it}`
        );
        await waitUntil(() => recorded.every((it) => refusals(guard).includes(it)));
        const host = typeof guard.at === "string" ? "localhost" : `127.0.0.1:${guard.at}`;
        const twice = "Authorization: Bearer x\r\n".repeat(2);
        const head = `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
        const { text } = await exchangeBytes(guard.at, [`${head}${twice}Content-Length: 2\r\n\r\n{}`]);
        assert.match(text, /^HTTP\/1\.1 400 /);
      })),
  );

  endpoint(
    `the public keys verify a token from outside, and say no more, ${where}`,
    limited(60_000, () =>
      withListener(options, async (guard) => {
        const token = givenBy(await askFor(guard.at));
        const answer = await ask(guard.at, "GET", {}, undefined, undefined, KEYS);
        assert.is(answer.status, 200);
        assert.is(answer.headers["content-type"], "application/json");
        const keys = JSON.parse(answer.body) as JSONWebKeySet;
        assert.equal(keys.keys.map((key) => Object.keys(key).sort()), [[
          "alg",
          "crv",
          "kid",
          "kty",
          "use",
          "x",
          "y",
        ]]);
        const set = createLocalJWKSet(keys);
        const expected = { issuer: "spiffe://localhost", audience: "puppet", algorithms: ["ES256"] };
        assert.match(String((await jwtVerify(token, set, expected)).payload.sub), /\/me$/);
        await rejects(jwtVerify(`${token.slice(0, -4)}AAAA`, set, expected), {
          code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
        assert.is((await ask(guard.at, "POST", JSON_ONLY, "{}", undefined, KEYS)).status, 405);
        const headers = { host: "evil.example" };
        assert.is((await ask(guard.at, "GET", headers, undefined, undefined, KEYS)).status, 403);
      })),
  );
}

endpoint(
  "where no token is issued there is neither, though a secret be asked for",
  limited(60_000, () =>
    withListener(
      { server: PUPPET, policy: policy("bootstrap: {file: $PROJECT/secret}", "bootstrap: required") },
      async (guard) => {
        assert.is((await askFor(guard.at, { bootstrap: secretOf(guard) })).status, 404);
        assert.is((await ask(guard.at, "GET", {}, undefined, undefined, KEYS)).status, 404);
        assert.ok(existsSync(join(guard.folder, "secret")));
      },
    )),
);

endpoint.run();
