import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AccessTerms, SessionAccess } from "../../../sidecar/gate/access/session-access.ts";
import { absent, known, type PeerEvidence } from "../../../sidecar/model/evidence.ts";
import { BootstrapSecret } from "../../../sidecar/tokens/bootstrap-secret.ts";
import { TokenIssuer } from "../../../sidecar/tokens/issuer.ts";

const evidence = (inode: string | undefined): PeerEvidence => ({
  transport: "unix",
  credentials: known({ pid: 7, uid: 1000, gid: 1000 }, "kernel"),
  process: inode === undefined ? absent("peer-gone") : {
    pid: 7,
    pidfdInode: known(inode, "kernel"),
    uid: known(1000, "kernel"),
    gid: known(1000, "kernel"),
    groups: absent("not-gathered"),
    label: absent("not-gathered"),
    namespaces: { pid: absent("x"), mnt: absent("x") },
    executable: {
      path: absent("x"),
      sha256: known("ab".repeat(32), "measured"),
      immutable: absent("x"),
      runtime: absent("x"),
    },
    script: { path: absent("x"), sha256: absent("x") },
    argv: absent("x"),
    loaders: absent("x"),
    mappings: absent("x"),
  },
  lineage: { ancestors: [], end: "pending" },
  selectors: ["unix:uid:1000"],
});

function peerOf(inode: string | undefined, bootstrap = false) {
  const identity = { principal: { name: "a", id: "spiffe://x/uid-1000/a" }, evidence: evidence(inode) };
  return { identity, bootstrap, complete: () => Promise.resolve(identity) };
}

async function terms(section: Partial<AccessTerms["section"]> = {}) {
  let text = "";
  const stolen: string[] = [];
  const secret = new BootstrapSecret((made) => {
    text = made;
    return { remove: () => {} };
  }, () => 0);
  const issuer = await TokenIssuer.open({
    audience: "a",
    trustDomain: "x",
    policyDigest: "p",
    ttlMs: 60_000,
  });
  const all: AccessTerms = {
    section: { issue: "initialize", tool: false, identityToServer: "none", ...section },
    issuer,
    secret,
    serverSecret: undefined,
    stolen: (sid) => void stolen.push(sid),
  };
  return { all, text, stolen, issuer };
}

const access = suite("SessionAccess");
access("a stolen token is refused by session, and by process where two claim one session", async () => {
  const { all } = await terms();
  const rightful = new SessionAccess("s1", peerOf("1"), all);
  await rightful.mint();
  const token = rightful.token!;
  for (
    const [sid, inode, expected] of [["s2", "1", "session"], ["s1", "2", "peer"], [
      "s1",
      undefined,
      "peer",
    ]] as const
  ) {
    const thief = new SessionAccess(sid, peerOf(inode), all);
    assert.is(thief.verdictOn(token), undefined);
    await thief.verify(token);
    const verdict = thief.verdictOn(token);
    assert.is(verdict?.valid === false && verdict.flaw, expected);
  }
  assert.is(rightful.verdictOn(token)?.valid, true);
});

access("the end of a session is the end of its token, also of one that is being made", async () => {
  const { all, issuer } = await terms();
  const one = new SessionAccess("s1", peerOf("1"), all);
  await one.mint();
  const token = one.token!;
  const two = new SessionAccess("s2", peerOf("1"), all);
  const late = two.mint();
  two.close();
  await late;
  assert.is(two.token, undefined);
  one.close();
  assert.is(one.token, undefined);
  const verdict = await issuer.verify(token, { sid: "s1", peer: undefined });
  assert.is(verdict.valid === false && verdict.flaw, "session-over");
});

access("refused tokens that nobody asks for again do not pile up, nor do endless ones", async () => {
  const { all } = await terms();
  const one = new SessionAccess("s1", peerOf("1"), all);
  for (let i = 0; i < 200; i++) await one.verify(`a.b.${i}`);
  assert.is(one.verdictOn("a.b.0"), undefined);
  assert.is(one.verdictOn("a.b.199")?.valid, false);
  assert.is(one.verdictOn("x".repeat(5000))?.valid, false);
});

access("locked until the secret is shown; connecting anew gives a process no further guesses", async () => {
  const { all, text } = await terms({ issue: "bootstrap" });
  for (let i = 0; i < 5; i++) {
    assert.is(new SessionAccess(`g${i}`, peerOf("9", true), all).show("x"), "wrong");
  }
  assert.is(new SessionAccess("g6", peerOf("9", true), all).show(text), "limited");
  const rightful = new SessionAccess("s1", peerOf("1", true), all);
  assert.ok(rightful.locked);
  assert.not(rightful.needsToken);
  assert.is(rightful.show(text), "earned");
  assert.not(rightful.locked);
  assert.ok(rightful.needsToken);
});

access("who shows it second is told of, and stays locked", async () => {
  const { all, text, stolen } = await terms({ issue: "bootstrap" });
  new SessionAccess("s1", peerOf("1", true), all).show(text);
  const thief = new SessionAccess("s2", peerOf("2", true), all);
  assert.is(thief.show(text), "stolen");
  assert.equal(stolen, ["s1"]);
  assert.ok(thief.locked);
  assert.not(thief.needsToken);
});

access("an entry that asks for a secret that nobody has lets nobody through", () => {
  const one = new SessionAccess("s1", peerOf("1", true), undefined);
  assert.ok(one.active);
  assert.not(one.takesSecret);
  assert.is(one.show("x"), "wrong");
  assert.ok(one.locked);
});

access("the server is told nothing unless the policy says so", async () => {
  const { all } = await terms();
  assert.is(new SessionAccess("s1", peerOf("1"), all).told, undefined);
  assert.is(new SessionAccess("s1", peerOf("1"), undefined).told, undefined);
  const { all: selectors } = await terms({ identityToServer: "selectors" });
  const told = JSON.parse(`{${new SessionAccess("s1", peerOf("1"), selectors).told}}`);
  assert.equal(told, {
    "dev.mcp-guard/identity": {
      name: "a",
      id: "spiffe://x/uid-1000/a",
      session: "s1",
      selectors: ["unix:uid:1000"],
    },
  });
});
access.run();
