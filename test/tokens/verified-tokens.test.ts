import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TokenClaims } from "../../sidecar/tokens/claims.ts";
import { VerifiedTokens } from "../../sidecar/tokens/verified-tokens.ts";

const claims = (exp: number): TokenClaims => ({
  iss: "i",
  sub: "s",
  aud: "a",
  exp,
  iat: 0,
  nbf: undefined,
  jti: "j",
  sid: "1",
  policy: "p",
  cnf: { pidfdInode: undefined, executableSha256: undefined },
});

const cache = suite("VerifiedTokens");
cache("it never holds more than its share, and forgets the one that was not asked for the longest", () => {
  const tokens = new VerifiedTokens();
  for (let i = 0; i < 1024; i++) tokens.add(`t${i}`, claims(100), 1);
  assert.ok(tokens.find("t0"));
  for (let i = 1024; i < 1100; i++) tokens.add(`t${i}`, claims(100), 1);
  assert.is(tokens.size, 1024);
  assert.ok(tokens.find("t0"));
  assert.is(tokens.find("t1"), undefined);
});

cache("what has expired goes first", () => {
  const tokens = new VerifiedTokens();
  tokens.add("old", claims(100), 1);
  for (let i = 1; i < 1024; i++) tokens.add(`t${i}`, claims(i % 2 === 0 ? 100 : 5), 1);
  tokens.add("new", claims(100), 5);
  assert.is(tokens.size, 513);
  assert.ok(tokens.find("old"));
});
cache.run();
