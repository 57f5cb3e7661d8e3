import {
  chmodSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { examineTrustFile } from "../../../sidecar/config/trust/examine-trust-file.ts";
import { defaultTrustFile, openTrust, readTrustFile } from "../../../sidecar/config/trust/trust-file.ts";
import type { GuardError } from "../../../sidecar/model/errors.ts";
import { skipUnless, throws } from "../../harness.ts";
import { A, B, digest, trustText, withTrustFile } from "./trust-support.ts";

const test = suite("the trust file");
const isRoot = process.geteuid?.() === 0;
const STRANGER = 65534;
const GOOD = trustText({
  claude: [digest(A), digest(B, { kind: "bun-compiled", tested: true })],
  kitty: [digest(B)],
});

test("what it says is found by name and by digest", () =>
  withTrustFile(GOOD, (file) => {
    const trust = openTrust(file, (error) => assert.unreachable(error.message));
    assert.equal(trust.trusted("claude").map(({ sha256, tested }) => [sha256, tested]), [[A, false], [
      B,
      true,
    ]]);
    assert.equal(trust.namesOf(B), ["claude", "kitty"]);
    assert.equal(trust.namesOf("c".repeat(64)), []);
    assert.equal(trust.trusted("nobody"), []);
    assert.equal([...trust.list().keys()], ["claude", "kitty"]);
  }));

test("a missing file, or folder, is an empty one", () =>
  withTrustFile(undefined, (file, folder) => {
    assert.is(readTrustFile(file).size, 0);
    assert.is(readTrustFile(join(folder, "no", "trust.json")).size, 0);
    const trust = openTrust(file, (error) => assert.unreachable(error.message));
    assert.equal(trust.trusted("claude"), []);
  }));

test("names of Object.prototype are names like any other", () =>
  withTrustFile(
    `{"version":1,"entries":{"constructor":{"digests":[${JSON.stringify(digest(A))}]}}}`,
    (file) => {
      const trust = openTrust(file, (error) => assert.unreachable(error.message));
      assert.is(trust.trusted("constructor")[0]?.sha256, A);
      assert.equal(trust.trusted("__proto__"), []);
      assert.equal(trust.trusted("toString"), []);
    },
  ));

const UNSAFE: readonly {
  readonly name: string;
  readonly needsRoot?: true;
  readonly spoil: (file: string, folder: string) => string | void;
  readonly says: RegExp;
}[] = [
  {
    name: "its group can write",
    spoil: (file) => chmodSync(file, 0o660),
    says: /written by others \(mode 0660\)/,
  },
  {
    name: "everybody can write",
    spoil: (file) => chmodSync(file, 0o602),
    says: /trust\.json' can be written/,
  },
  {
    name: "lies in an open folder",
    spoil: (_, folder) => chmodSync(folder, 0o777),
    says: /the folder .*mode 0777/,
  },
  {
    name: "lies below an open folder",
    spoil: (_, folder) => chmodSync(join(folder, ".."), 0o777),
    says: /the folder .*mode 0777/,
  },
  {
    name: "somebody else owns",
    needsRoot: true,
    spoil: (file) => chownSync(file, STRANGER, 0),
    says: /belongs to uid 65534/,
  },
  {
    name: "lies in somebody else's folder",
    needsRoot: true,
    spoil: (_, folder) => chownSync(folder, STRANGER, 0),
    says: /the folder .* belongs to uid 65534/,
  },
  {
    name: "is a link to where others can write",
    spoil: (file, folder) => {
      const open = join(folder, "..", "open");
      mkdirSync(open);
      renameSync(file, join(open, "t.json"));
      chmodSync(open, 0o777);
      symlinkSync(join(open, "t.json"), file);
    },
    says: /open' can be written/,
  },
  {
    name: "is a FIFO",
    spoil: (file) => {
      rmSync(file);
      assert.is(spawnSync("mkfifo", ["-m", "600", file]).status, 0);
    },
    says: /not a regular file/,
  },
  { name: "is a folder", spoil: (_, folder) => folder, says: /not a regular file/ },
  { name: "is huge", spoil: (file) => truncateSync(file, 2 ** 40), says: /larger than a mebibyte/ },
];

for (const { name, needsRoot, spoil, says } of UNSAFE) {
  test(`a file that ${name} is refused, and counts as empty`, () => {
    if (needsRoot && skipUnless(isRoot, "only root can give files away")) return;
    return withTrustFile(GOOD, (file, folder) => {
      const path = spoil(file, folder) ?? file;
      const { message } = throws(() => readTrustFile(path), { code: "ERR_POLICY_UNSAFE", message: says });
      assert.match(message, /^Cannot trust the trust file: /);
      const told: string[] = [];
      const trust = openTrust(path, (error) => told.push(error.code));
      assert.equal([trust.trusted("claude"), trust.namesOf(A)], [[], []]);
      assert.equal(told, ["ERR_POLICY_UNSAFE"]);
    });
  });
}

const one = (more: Readonly<Record<string, unknown>>) => trustText({ x: [digest(A, more)] });
const without = (key: string) => {
  const record = digest(A);
  delete record[key];
  return trustText({ x: [record] });
};
const INVALID: readonly [name: string, text: string | Uint8Array, says: RegExp][] = [
  ["nothing", "", /not JSON/],
  ["half a file", GOOD.slice(0, 100), /not JSON/],
  ["two values", `${GOOD}{}`, /not JSON from position/],
  ["a comment", `// x\n${GOOD}`, /not JSON/],
  ["a byte order mark", `\ufeff${GOOD}`, /not JSON/],
  ["bytes that are not UTF-8", Buffer.from([...Buffer.from('{"version":1,"entries":{"'), 0xff]), /not UTF-8/],
  ["nothing but brackets", "[".repeat(1 << 19), /not JSON/],
  ["deep brackets", `${"[".repeat(1 << 18)}${"]".repeat(1 << 18)}`, /must be an object/],
  ["null", "null", /the file must be an object/],
  ["a list", "[]", /the file must be an object/],
  ["no version", '{"entries":{}}', /'version' is missing/],
  ["another version", '{"version":2,"entries":{}}', /'version' must be 1/],
  ["a version in quotes", '{"version":"1","entries":{}}', /'version' must be 1/],
  ["an unknown key", '{"version":1,"entries":{},"expires":"2020-01-01"}', /unknown key "expires"/],
  [
    "a key that is no word",
    '{"version":1,"entries":{},"\\u001b[2J":1}',
    /unknown key "\\u001b\[2J" in the file/,
  ],
  ["a __proto__ key", '{"version":1,"entries":{},"__proto__":{}}', /unknown key "__proto__"/],
  ["version twice", '{"version":1,"version":1,"entries":{}}', /"version" stands twice/],
  ["a name twice", '{"version":1,"entries":{"a":{"digests":[]},"a":{"digests":[]}}}', /"a" stands twice/],
  [
    "a key twice, spelled differently",
    '{"version":1,"entries":{"a":{"digests":[],"\\u0064igests":[]}}}',
    /"digests" stands/,
  ],
  ["__proto__ as a name", '{"version":1,"entries":{"__proto__":{"digests":[]}}}', /a name in 'entries'/],
  ["a name like an option", '{"version":1,"entries":{"-x":{"digests":[]}}}', /a name in 'entries'/],
  [
    "__proto__ twice",
    '{"version":1,"entries":{"__proto__":{"digests":[]},"__proto__":{"digests":[]}}}',
    /stands twice/,
  ],
  ["a list of entries", '{"version":1,"entries":[]}', /'entries' must be an object/],
  ["a name with a slash", '{"version":1,"entries":{"a/b":{"digests":[]}}}', /a name in 'entries'/],
  ["a name of two dots", '{"version":1,"entries":{"..":{"digests":[]}}}', /a name in 'entries'/],
  ["an empty name", '{"version":1,"entries":{"":{"digests":[]}}}', /a name in 'entries'/],
  ["a name of 65", `{"version":1,"entries":{"${"a".repeat(65)}":{"digests":[]}}}`, /a name in 'entries'/],
  ["an entry without digests", '{"version":1,"entries":{"x":{}}}', /'digests' is missing/],
  ["digests that are no list", '{"version":1,"entries":{"x":{"digests":{}}}}', /must be a list/],
  ["a digest that is a text", trustText({ x: [A] }), /digest 1 of 'x' must be an object/],
  ["a digest twice", trustText({ x: [digest(A), digest(A, { tested: false })] }), /a digest twice/],
  ["a short sha256", one({ sha256: "aa" }), /64 hex digits/],
  ["a sha256 in capitals", one({ sha256: "A".repeat(64) }), /64 hex digits/],
  ["a sha256 in a list", one({ sha256: [A] }), /64 hex digits/],
  ["a relative path", one({ path: "x" }), /must be absolute/],
  ["an unknown kind", one({ kind: "safe" }), /none that is known/],
  ["a kind of Object.prototype", one({ kind: "toString" }), /none that is known/],
  ["a day without a time", one({ added: "2026-01-31" }), /must be a time/],
  ["a month too many", one({ added: "2026-13-31T12:00:00Z" }), /must be a time/],
  ["another way", one({ by: "web" }), /'by' of digest 1/],
  ["tested in quotes", one({ tested: "false" }), /'tested' .* must be true or false/],
  ["a native program that was tested", one({ tested: true }), /says nothing of a program of kind 'native'/],
  [
    "an interpreter that was tested",
    one({ kind: "node", tested: true }),
    /says nothing of a program of kind 'node'/,
  ],
  ["a note that is a number", one({ note: 1 }), /must be a text/],
  ["a restriction that we do not know", one({ until: "2026-01-01" }), /unknown key "until"/],
  ...["sha256", "kind", "added", "by", "tested"].map((key) =>
    [`no ${key}`, without(key), new RegExp(`'${key}' is missing`)] as [string, string, RegExp]
  ),
];

for (const [name, text, says] of INVALID) {
  test(`${name}: refused, and counts as empty`, () =>
    withTrustFile(text, (file) => {
      const { message } = throws(() => readTrustFile(file), { code: "ERR_POLICY_INVALID", message: says });
      assert.match(message, /^Cannot use the trust file '/);
      assert.not.match(message, /[^\x20-\x7e]/);
      const told: string[] = [];
      const trust = openTrust(file, (error) => told.push(error.code));
      assert.equal([trust.trusted("x"), [...trust.list()]], [[], []]);
      assert.equal(told, ["ERR_POLICY_INVALID"]);
    }));
}

test("a path may be absent, a note may be there", () =>
  withTrustFile(trustText({ x: [{ ...digest(A, { note: "2.1" }), path: undefined }] }), (file) => {
    const [record] = readTrustFile(file).get("x")!;
    assert.equal([record!.path, record!.note], [undefined, "2.1"]);
  }));

test("what is removed is trusted no more, from the next look-up on", () =>
  withTrustFile(GOOD, (file) => {
    const trust = openTrust(file, (error) => assert.unreachable(error.message));
    assert.is(trust.trusted("claude").length, 2);
    // In place, in the same tick and of the same length, as an editor might.
    writeFileSync(file, GOOD.replace("claude", "clowns"));
    assert.is(trust.trusted("claude").length, 0);
    assert.is(trust.trusted("clowns").length, 2);
    rmSync(file);
    assert.is(trust.trusted("clowns").length, 0);
  }));

test("a change is seen however old the file was, and the same times do not hide it", () =>
  withTrustFile(GOOD, async (file) => {
    const trust = openTrust(file, (error) => assert.unreachable(error.message));
    await delay(2_100);
    assert.is(trust.trusted("claude").length, 2);
    assert.is(trust.list(), trust.list(), "a settled file is not read again");
    writeFileSync(file, GOOD.replace("claude", "clowns"));
    utimesSync(file, 1, 1);
    assert.is(trust.trusted("claude").length, 0);
  }));

test("trouble is told once, until the file was usable again", () =>
  withTrustFile(GOOD, (file) => {
    const told: GuardError[] = [];
    const trust = openTrust(file, (error) => told.push(error));
    const count = () => [trust.trusted("claude").length, told.length];
    assert.equal(count(), [2, 0]);
    chmodSync(file, 0o666);
    assert.equal(count(), [0, 1]);
    assert.equal(count(), [0, 1]);
    chmodSync(file, 0o600);
    assert.equal(count(), [2, 1]);
    writeFileSync(file, "{");
    assert.equal(count(), [0, 2]);
    assert.equal(told.map(({ code }) => code), ["ERR_POLICY_UNSAFE", "ERR_POLICY_INVALID"]);
  }));

test("a folder that is made safe again is enough", () =>
  withTrustFile(GOOD, (file, folder) => {
    chmodSync(folder, 0o777);
    const trust = openTrust(file, () => {});
    assert.is(trust.trusted("claude").length, 0);
    chmodSync(folder, 0o700);
    assert.is(trust.trusted("claude").length, 2);
  }));

test("its place is in the home of the user database, whatever the environment says", () => {
  const home = userInfo().homedir;
  const before = { HOME: process.env["HOME"], XDG_CONFIG_HOME: process.env["XDG_CONFIG_HOME"] };
  Object.assign(process.env, { HOME: "/evil", XDG_CONFIG_HOME: "/evil" });
  try {
    assert.is(defaultTrustFile(), join(home, ".config/mcp-guard/trust.json"));
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test("doctor calls a good file ok, none ok, and a bad one limited", () =>
  withTrustFile(GOOD, (file) => {
    const good = examineTrustFile(file);
    assert.equal([good.name, good.state], ["file.trust", "ok"]);
    assert.match(good.found, /: 3 digests under 2 names$/);
    assert.is(examineTrustFile(`${file}.no`).state, "ok");
    chmodSync(file, 0o666);
    const bad = examineTrustFile(file);
    assert.is(bad.state, "limited");
    assert.match(bad.found, /^Cannot trust the trust file: .*mode 0666/);
  }));

test.run();
