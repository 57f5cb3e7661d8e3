import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventText } from "../../sidecar/audit/record/event-text.ts";
import { identityText } from "../../sidecar/audit/record/identity-text.ts";
import { newChainId, RefusalIds } from "../../sidecar/audit/record/ids.ts";
import { KeyedDigest } from "../../sidecar/audit/record/keyed-digest.ts";
import { MAX_LINE_BYTES, sha256Hex } from "../../sidecar/audit/record/seal.ts";
import { boundedQuote, detailText, NAME_LIMIT, quote } from "../../sidecar/audit/record/text.ts";
import { absent, known } from "../../sidecar/model/evidence.ts";
import { decision, identity } from "./support.ts";

const test = suite("audit records");
const anyText = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 400 });
const ASCII = /^[\x20-\x7e]*$/;

test("quote() gives printable ASCII that parses back to any string, lone surrogates included", () => {
  fc.assert(fc.property(anyText, (text) => {
    const literal = quote(text);
    assert.match(literal, ASCII);
    assert.is(JSON.parse(literal), text);
  }));
});

for (
  const text of [
    '"',
    "\\",
    "\n",
    "\r",
    "\0",
    "\x7f",
    "\u2028",
    "\u2029",
    "\ud800",
    "\udc00\ud800",
    "é",
    "😀",
    '","effect":"allow',
  ]
) {
  test(`quote() survives ${JSON.stringify(text)}`, () => {
    assert.match(quote(text), ASCII);
    assert.is(JSON.parse(quote(text)), text);
  });
}

test("boundedQuote() cuts a name of 1 MiB with a mark and the digest of the whole", () => {
  const text = "é".repeat(1024 * 1024);
  const cut = JSON.parse(boundedQuote(text)) as string;
  assert.ok(boundedQuote(text).length < 2500);
  assert.ok(cut.startsWith("é".repeat(NAME_LIMIT)));
  assert.ok(cut.endsWith(`...[+${1024 * 1024 - NAME_LIMIT} chars, sha256 ${sha256Hex(Buffer.from(text))}]`));
});

test("no uncut name can look like a cut one", () => {
  const cut = JSON.parse(boundedQuote("x".repeat(NAME_LIMIT + 1))) as string;
  assert.ok(cut.length > NAME_LIMIT);
  assert.is(JSON.parse(boundedQuote(cut.slice(0, NAME_LIMIT))), cut.slice(0, NAME_LIMIT));
});

test("detailText() gives bounded JSON for any value", () => {
  fc.assert(fc.property(fc.anything({ withBigInt: true, maxDepth: 6 }), (value) => {
    const text = detailText(value);
    assert.match(text, ASCII);
    JSON.parse(text);
    assert.ok(text.length < 40_000);
  }));
});

test("detailText() bounds nested arrays of nothing, many members and long strings", () => {
  const wide = (depth: number): unknown =>
    depth === 0 ? [] : Array.from({ length: 100 }, () => wide(depth - 1));
  const members = Object.fromEntries(
    Array.from({ length: 5000 }, (_, i) => [`k${i}`, "\u0001".repeat(5000)]),
  );
  for (const value of [wide(3), members]) {
    assert.ok(detailText(value).length < 40_000);
    JSON.parse(detailText(value));
  }
});

test("detailText() spells out numbers that JSON has no word for", () => {
  assert.is(detailText({ a: Number.NaN, b: 10n, c: undefined, d: null }), '{"a":"NaN","b":"10","d":null}');
});

test("eventText() keeps every wire string inside its own member", () => {
  fc.assert(fc.property(anyText, anyText, anyText, (method, name, rpcId) => {
    const record = JSON.parse(`{"v":1${eventText(decision({ method, name, rpcId }))}}`);
    assert.is(record.effect, "allow");
    if (method.length <= NAME_LIMIT) assert.is(record.method, method);
    if (name.length <= NAME_LIMIT) assert.is(record.name, name);
    if (rpcId.length <= NAME_LIMIT) assert.is(record.rpc_id, rpcId);
  }));
});

test("eventText() of a decision has exactly these members", () => {
  const text = eventText(
    decision({ observed: true, argsDigest: "aa", refusal: "abcd-abcdefgh", rules: ["a", "b"] }),
  );
  assert.equal(JSON.parse(`{"v":1${text}}`), {
    v: 1,
    direction: "fromPeer",
    method: "tools/call",
    name: "read_text_file",
    rpc_id: "7",
    effect: "allow",
    reason: "rule",
    rules: ["a", "b"],
    observed: true,
    args_digest: "aa",
    decision_us: 12,
    refusal: "abcd-abcdefgh",
  });
});

test("eventText() of a result has exactly these members, and no number is invented", () => {
  const result = {
    type: "result",
    session: "s",
    direction: "fromPeer",
    method: "ping",
    outcome: "ok",
  } as const;
  assert.equal(JSON.parse(`{"v":1${eventText({ ...result, durationMs: 1.23456, bytes: Number.NaN })}}`), {
    v: 1,
    direction: "fromPeer",
    method: "ping",
    outcome: "ok",
    duration_ms: 1.235,
    bytes: null,
  });
});

test("identityText() keeps each fact with its grade, or the reason why it is absent", () => {
  assert.equal(JSON.parse(identityText(identity)), {
    principal: "claude-code",
    id: "spiffe://localhost/uid-1000/claude-code",
    transport: "stdio-socket",
    pid: 100,
    uid: 1000,
    pidfd_inode: "4242",
    grade: "kernel",
    executable: { path: "/usr/bin/agent", sha256: "5e".repeat(32), grade: "immutable" },
    lineage: [
      { pid: 99, path: "/usr/bin/agent", sha256: "5e".repeat(32), grade: "immutable" },
      { pid: 98, path: "/usr/bin/sh", path_grade: "lineage", sha256_absent: "exe-unreadable:EACCES" },
    ],
    lineage_end: "other-uid",
  });
});

test("identityText() of a peer nobody could measure says so, and names no pid", () => {
  const evidence = { ...identity.evidence, credentials: absent("not-a-socket"), process: absent("gone") };
  const who = JSON.parse(identityText({ ...identity, evidence }));
  assert.is(who.pid_absent, "not-a-socket");
  assert.is(who.uid_absent, "not-a-socket");
  assert.equal(who.executable, { path_absent: "gone", sha256_absent: "gone" });
  assert.is("pid" in who, false);
});

test("identityText() of the longest lineage fits in a line with the largest event", () => {
  const path = known("/\u0001".repeat(2000), "lineage" as const);
  const [first] = identity.evidence.lineage.ancestors;
  const one = { ...first!, executable: { ...first!.executable, path, sha256: path } };
  const lineage = { ancestors: Array.from({ length: 40 }, () => one), end: "depth" as const };
  const long = "\u0001".repeat(10_000);
  const who = identityText({ ...identity, evidence: { ...identity.evidence, lineage } });
  const event = eventText(
    decision({ name: long, method: long, rules: Array.from({ length: 100 }, () => long) }),
  );
  assert.is(JSON.parse(who).lineage_more, 24);
  assert.ok(who.length + event.length < MAX_LINE_BYTES - 4096);
});

test("args_digest is the same for equal bytes, and another in another chain", () => {
  const [one, other] = [new KeyedDigest(), new KeyedDigest()];
  for (const size of [0, 3, 16_384, 16_385, 100_000]) {
    const bytes = Buffer.alloc(size, 7);
    assert.match(one.digest(bytes), /^[0-9a-f]{32}$/);
    assert.is(one.digest(bytes), one.digest(Buffer.from(bytes)));
    assert.is.not(one.digest(bytes), other.digest(bytes));
    assert.is.not(one.digest(bytes), sha256Hex(bytes).slice(0, 32));
  }
  assert.is.not(one.digest(Buffer.from("1")), one.digest(Buffer.from("2")));
});

test("the digest of small arguments is not the digest of what stood there before", () => {
  const digest = new KeyedDigest();
  const short = digest.digest(Buffer.from("ab"));
  digest.digest(Buffer.alloc(5000, 1));
  assert.is(digest.digest(Buffer.from("ab")), short);
});

test("refusal ids are short, carry the chain and never repeat", () => {
  const chain = newChainId();
  const ids = new RefusalIds(chain);
  const seen = new Set(Array.from({ length: 20_000 }, () => ids.next()));
  assert.is(seen.size, 20_000);
  for (const id of seen) assert.ok(/^[a-z2-7]{4}-[a-z2-7]{8}$/.test(id) && id.startsWith(chain.slice(0, 4)));
});

test.run();
