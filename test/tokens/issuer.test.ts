import { Buffer } from "node:buffer";
import { createHmac, createPublicKey, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { importJWK, jwtVerify } from "jose";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PeerBinding } from "../../sidecar/tokens/claims.ts";
import { type Shown, TokenIssuer } from "../../sidecar/tokens/issuer.ts";
import type { TokenFlaw, TokenVerdict } from "../../sidecar/tokens/verdict.ts";
import { rejects } from "../harness.ts";

const NOW = 1_800_000_000_000;
const PEER: PeerBinding = { pidfdInode: "4711", executableSha256: "ab".repeat(32) };
const HERE: Shown = { sid: "session-1", peer: PEER };
const SUBJECT = { sid: "session-1", id: "spiffe://example.org/uid-1000/claude-code", peer: PEER };

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: KeyObject): Buffer => Buffer.from(key.export({ type: "pkcs8", format: "pem" }));

interface Clock {
  ms: number;
}

async function open(clock: Clock = { ms: NOW }, audience = "files", trustDomain = "example.org") {
  return await TokenIssuer.open({
    audience,
    trustDomain,
    policyDigest: "p1",
    ttlMs: 900_000,
    keyPem: pem(pair.privateKey),
    now: () => clock.ms,
  });
}

async function opened() {
  const issuer = await open();
  const { token } = await issuer.mint(SUBJECT);
  return { issuer, token };
}

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const read = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? "", "base64url").toString("utf8"));
const headerOf = (token: string) => read(token.split(".")[0]);
const payloadOf = (token: string) => read(token.split(".")[1]);

/** Signs whatever header and claims with ES256, whatever the header says. */
function forge(header: unknown, payload: unknown, key: KeyObject = pair.privateKey): string {
  const input = `${b64(header)}.${b64(payload)}`;
  const signature = createSign("sha256").update(input).sign({ key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

function flaw(verdict: TokenVerdict): TokenFlaw | "valid" {
  return verdict.valid ? "valid" : verdict.flaw;
}

const tokens = suite("TokenIssuer");

tokens("a token says who it is for, and nothing that is not in its list", async () => {
  const { token } = await opened();
  assert.equal(Object.keys(headerOf(token)).sort(), ["alg", "kid", "typ"]);
  const { jti, ...rest } = payloadOf(token);
  assert.match(String(jti), /^[A-Za-z0-9_-]{22}$/);
  assert.equal(rest, {
    iss: "spiffe://example.org",
    sub: "spiffe://example.org/uid-1000/claude-code",
    aud: "files",
    exp: 1_800_000_900,
    iat: 1_800_000_000,
    sid: "session-1",
    policy: "p1",
    cnf: { pidfd_inode: "4711", exe_sha256: "ab".repeat(32) },
  });
});

tokens("a token that was made is valid where it belongs, in this guard and by its key set", async () => {
  const { issuer, token } = await opened();
  assert.is(flaw(await issuer.verify(token, HERE)), "valid");
  const [jwk] = issuer.jwks.keys;
  assert.equal(Object.keys(jwk!).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
  const key = await importJWK(jwk!);
  await jwtVerify(token, key, { algorithms: ["ES256"], audience: "files", currentDate: new Date(NOW) });
});

tokens("a token whose signature was never seen here is verified, and then known", async () => {
  const { token } = await opened();
  const other = await open();
  await other.mint(SUBJECT);
  assert.is(other.known(token, HERE), undefined);
  assert.is(flaw(await other.verify(token, HERE)), "valid");
  assert.is(flaw(other.known(token, HERE)!), "valid");
});

tokens("a key of this process alone is another one each time", async () => {
  const make = () => TokenIssuer.open({ audience: "a", trustDomain: "b", policyDigest: "c", ttlMs: 1000 });
  const [one, two] = [await make(), await make()];
  const { token } = await one.mint(SUBJECT);
  await two.mint(SUBJECT);
  assert.is(flaw(await two.verify(token, HERE)), "key");
});

const places: readonly [name: string, shown: Shown, expected: TokenFlaw | "valid"][] = [
  ["as what names the session", { sid: undefined, peer: PEER }, "valid"],
  ["as a bearer, where nobody knows the process", { sid: "session-1", peer: undefined }, "valid"],
  ["in another session", { sid: "session-2", peer: PEER }, "session"],
  ["by another process of the same program", { ...HERE, peer: { ...PEER, pidfdInode: "4712" } }, "peer"],
  ["by a process without a name", { ...HERE, peer: { ...PEER, pidfdInode: undefined } }, "peer"],
  ["by the same process after an exec", { ...HERE, peer: { ...PEER, executableSha256: "cd" } }, "peer"],
  [
    "by a process that could not be hashed",
    { ...HERE, peer: { ...PEER, executableSha256: undefined } },
    "peer",
  ],
];
for (const [name, shown, expected] of places) {
  tokens(`shown ${name}: ${expected}`, async () => {
    const { issuer, token } = await opened();
    assert.is(flaw(await issuer.verify(token, shown)), expected);
    assert.is(flaw(issuer.known(token, shown)!), expected);
  });
}

const forgeries: readonly [name: string, make: (token: string) => string, expected: TokenFlaw][] = [
  ["empty", () => "", "malformed"],
  ["dots alone", () => "..", "malformed"],
  ["four parts", (token) => `${token}.AA`, "malformed"],
  ["five parts, as a JWE", (token) => `${token}.AA.AA`, "malformed"],
  ["without a signature", (token) => `${token.split(".").slice(0, 2).join(".")}.`, "malformed"],
  ["with a blank behind it", (token) => `${token} `, "malformed"],
  ["with padding", (token) => `${token}=`, "malformed"],
  ["in plain base64", (token) => token.replace(".", "+."), "malformed"],
  ["a header that is no JSON", (token) => `AAAA.${token.split(".").slice(1).join(".")}`, "malformed"],
  ["a header that is a list", (token) => forge([], payloadOf(token)), "malformed"],
  ["longer than any token", (token) => `${token}${"A".repeat(8192)}`, "oversized"],
  [
    "alg none",
    (token) => `${b64({ ...headerOf(token), alg: "none" })}.${token.split(".")[1]}.AA`,
    "algorithm",
  ],
  [
    "alg None",
    (token) => `${b64({ ...headerOf(token), alg: "None" })}.${token.split(".")[1]}.AA`,
    "algorithm",
  ],
  ["HS256 under the public key", hmacUnderPublicKey, "algorithm"],
  [
    "another curve's algorithm",
    (token) => forge({ ...headerOf(token), alg: "ES384" }, payloadOf(token)),
    "algorithm",
  ],
  [
    "no algorithm",
    (token) => forge({ kid: headerOf(token)["kid"], typ: "JWT" }, payloadOf(token)),
    "algorithm",
  ],
  ["an unknown kid", (token) => forge({ ...headerOf(token), kid: "x" }, payloadOf(token)), "key"],
  [
    "a kid that is a path",
    (token) => forge({ ...headerOf(token), kid: "../../dev/null" }, payloadOf(token)),
    "key",
  ],
  ["no kid", (token) => forge({ alg: "ES256", typ: "JWT" }, payloadOf(token)), "key"],
  ["its own key in the header", underOwnKey, "signature"],
  [
    "signed by another",
    (token) => forge(headerOf(token), payloadOf(token), stranger.privateKey),
    "signature",
  ],
  ["a signature of zeros", (token) => withSignature(token, Buffer.alloc(64)), "signature"],
  ["a DER signature", (token) => withSignature(token, Buffer.from("3006020101020101", "hex")), "signature"],
  ["another subject", (token) => altered(token, { sub: "spiffe://example.org/uid-0/root" }), "signature"],
  [
    "crit",
    (token) => forge({ ...headerOf(token), crit: ["b64"], b64: false }, payloadOf(token)),
    "malformed",
  ],
  [
    "another type of token",
    (token) => forge({ ...headerOf(token), typ: "at+jwt" }, payloadOf(token)),
    "claims",
  ],
  ["another audience", (token) => forge(headerOf(token), { ...payloadOf(token), aud: "mail" }), "audience"],
  [
    "ours beside another",
    (token) => forge(headerOf(token), { ...payloadOf(token), aud: ["files", "mail"] }),
    "claims",
  ],
  [
    "another issuer",
    (token) => forge(headerOf(token), { ...payloadOf(token), iss: "spiffe://evil" }),
    "issuer",
  ],
  ["no issuer", (token) => without(token, "iss"), "issuer"],
  ["no audience", (token) => without(token, "aud"), "audience"],
  ["no expiry", (token) => without(token, "exp"), "claims"],
  ["no session", (token) => without(token, "sid"), "claims"],
  ["no process", (token) => without(token, "cnf"), "claims"],
  ["no policy", (token) => without(token, "policy"), "claims"],
  [
    "an expiry that is text",
    (token) => forge(headerOf(token), { ...payloadOf(token), exp: "9999999999" }),
    "claims",
  ],
  [
    "an expiry beyond all numbers",
    (token) => forge(headerOf(token), { ...payloadOf(token), exp: 1e300 }),
    "claims",
  ],
  [
    "a process that is a list",
    (token) => forge(headerOf(token), { ...payloadOf(token), cnf: { pidfd_inode: ["4711"] } }),
    "claims",
  ],
  ["expired", (token) => forge(headerOf(token), { ...payloadOf(token), exp: NOW / 1000 }), "expired"],
  [
    "not yet valid",
    (token) => forge(headerOf(token), { ...payloadOf(token), nbf: NOW / 1000 + 60 }),
    "not-yet",
  ],
  [
    "made in the future",
    (token) => forge(headerOf(token), { ...payloadOf(token), iat: NOW / 1000 + 60 }),
    "not-yet",
  ],
  [
    "of a session that never was",
    (token) => forge(headerOf(token), { ...payloadOf(token), sid: "x" }),
    "session-over",
  ],
  ["of another policy", (token) => forge(headerOf(token), { ...payloadOf(token), policy: "p0" }), "policy"],
];
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });

function hmacUnderPublicKey(token: string): string {
  const input = `${b64({ ...headerOf(token), alg: "HS256" })}.${token.split(".")[1]}`;
  const secret = createPublicKey(pair.privateKey).export({ type: "spki", format: "pem" });
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

function underOwnKey(token: string): string {
  const jwk = stranger.publicKey.export({ format: "jwk" });
  return forge(
    { ...headerOf(token), jwk, jku: "https://evil.example/keys" },
    payloadOf(token),
    stranger.privateKey,
  );
}

function withSignature(token: string, signature: Buffer): string {
  return [...token.split(".").slice(0, 2), signature.toString("base64url")].join(".");
}

function altered(token: string, change: Record<string, unknown>): string {
  const [header, , signature] = token.split(".");
  return `${header}.${b64({ ...payloadOf(token), ...change })}.${signature}`;
}

function without(token: string, claim: string): string {
  const { [claim]: _, ...rest } = payloadOf(token);
  return forge(headerOf(token), rest);
}

for (const [name, make, expected] of forgeries) {
  tokens(`nasty: ${name} is refused as '${expected}', and again when it comes again`, async () => {
    const { issuer, token } = await opened();
    // Nothing names the session: a forged one must not be caught by that alone.
    const shown = { sid: undefined, peer: PEER };
    assert.is(flaw(await issuer.verify(make(token), shown)), expected);
    assert.is(flaw(await issuer.verify(make(token), shown)), expected);
    assert.is(flaw(await issuer.verify(token, shown)), "valid");
  });
}

tokens("the forger of these tests makes valid tokens where nothing is wrong", async () => {
  const { issuer, token } = await opened();
  assert.is(flaw(await issuer.verify(forge(headerOf(token), payloadOf(token)), HERE)), "valid");
});

tokens("any change of any character is refused", async () => {
  const { issuer, token } = await opened();
  const letter = fc.constantFrom(
    ...Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \0é"),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(token.length - 1), letter, async (at, other) => {
      fc.pre(token[at] !== other);
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      assert.not((await issuer.verify(changed, HERE)).valid);
    }),
    { numRuns: 300 },
  );
});

tokens("nothing that is not a token makes it throw", async () => {
  const { issuer } = await opened();
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string(), fc.array(fc.base64String()).map((it) => it.join("."))),
      async (text) => {
        assert.not((await issuer.verify(text, HERE)).valid);
      },
    ),
    { numRuns: 300 },
  );
});

tokens("only the process that a token was made for may show it", async () => {
  const issuer = await open();
  const fact = fc.option(fc.constantFrom("1", "2", "3"), { nil: undefined });
  const peer = fc.record({ pidfdInode: fact, executableSha256: fact });
  await fc.assert(fc.asyncProperty(peer, peer, async (made, shown) => {
    const { token } = await issuer.mint({ ...SUBJECT, peer: made });
    const { valid } = await issuer.verify(token, { sid: "session-1", peer: shown });
    const agrees = (["pidfdInode", "executableSha256"] as const)
      .every((key) => made[key] === undefined || made[key] === shown[key]);
    assert.is(valid, agrees);
  }));
});

tokens("a token ends at its time, also one that was verified before", async () => {
  const clock = { ms: NOW };
  const issuer = await open(clock);
  const { token } = await issuer.mint(SUBJECT);
  clock.ms = NOW + 899_999;
  assert.is(flaw(await issuer.verify(token, HERE)), "valid");
  clock.ms = NOW + 900_000;
  assert.is(flaw(await issuer.verify(token, HERE)), "expired");
});

tokens("a clock that is set back a little does no harm, and a lot refuses", async () => {
  const clock = { ms: NOW };
  const issuer = await open(clock);
  const { token } = await issuer.mint(SUBJECT);
  clock.ms = NOW - 5000;
  assert.is(flaw(await issuer.verify(token, HERE)), "valid");
  clock.ms = NOW - 6000;
  assert.is(flaw(await issuer.verify(token, HERE)), "not-yet");
});

tokens("a session's end is the end of all its tokens, and of no other's", async () => {
  const issuer = await open();
  const [one, two] = [await issuer.mint(SUBJECT), await issuer.mint(SUBJECT)];
  const other = await issuer.mint({ ...SUBJECT, sid: "session-2" });
  issuer.revoke("session-1");
  assert.is(flaw(await issuer.verify(one.token, HERE)), "session-over");
  assert.is(flaw(await issuer.verify(two.token, HERE)), "session-over");
  assert.is(flaw(await issuer.verify(other.token, { ...HERE, sid: "session-2" })), "valid");
});

tokens("another policy ends older tokens, save those of sessions that it lets live", async () => {
  const issuer = await open();
  const stays = await issuer.mint(SUBJECT);
  const goes = await issuer.mint({ ...SUBJECT, sid: "session-2" });
  issuer.adoptPolicy("p2", ["session-1"]);
  const fresh = await issuer.mint({ ...SUBJECT, sid: "session-3" });
  assert.is(flaw(await issuer.verify(stays.token, HERE)), "valid");
  assert.is(flaw(await issuer.verify(goes.token, { ...HERE, sid: "session-2" })), "policy");
  assert.is(flaw(await issuer.verify(fresh.token, { ...HERE, sid: "session-3" })), "valid");
});

tokens("tokens of another server or trust domain under the same key are refused", async () => {
  const { issuer } = await opened();
  const mail = await (await open({ ms: NOW }, "mail")).mint(SUBJECT);
  const other = await (await open({ ms: NOW }, "files", "other.org")).mint(SUBJECT);
  assert.is(flaw(await issuer.verify(mail.token, HERE)), "audience");
  assert.is(flaw(await issuer.verify(other.token, HERE)), "issuer");
});

const keys: readonly [name: string, bytes: Uint8Array][] = [
  ["no PEM", Buffer.from("-----BEGIN")],
  ["not even text", Buffer.from([0xff, 0xfe, 0x00])],
  ["a public key", Buffer.from(pair.publicKey.export({ type: "spki", format: "pem" }))],
  ["another curve", pem(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey)],
  ["RSA", pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey)],
  ["Ed25519", pem(generateKeyPairSync("ed25519").privateKey)],
];
for (const [name, keyPem] of keys) {
  tokens(`a key file that holds ${name} is refused without a word of it`, async () => {
    const opening = TokenIssuer.open({
      audience: "a",
      trustDomain: "b",
      policyDigest: "c",
      ttlMs: 1,
      keyPem,
    });
    const error = await rejects(opening, { code: "ERR_CONFIG_INVALID" });
    assert.not(error.message.includes(Buffer.from(keyPem).toString("latin1").slice(30, 60) || "\0"));
    assert.is(error.cause, undefined);
  });
}
tokens.run();
