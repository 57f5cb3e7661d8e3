import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { changeTrustFile } from "../../../sidecar/config/trust/trust-file-change.ts";
import {
  parseTrust,
  type TrustEntries,
  type TrustRecord,
} from "../../../sidecar/config/trust/trust-file-format.ts";
import { readTrustFile } from "../../../sidecar/config/trust/trust-file.ts";
import { limited, rejects, skipUnless } from "../../harness.ts";
import { RUNTIMES } from "../../tools/runtimes.ts";
import { A, B, digest, trustText, withTrustFile } from "./trust-support.ts";

const test = suite("changeTrustFile()");
const RECORD = digest(A) as unknown as TrustRecord;
const add = (entries: TrustEntries): TrustEntries => new Map([...entries, ["new", [RECORD]]]);
const mode = (path: string) => statSync(path).mode & 0o7777;
const FIXTURES = fileURLToPath(new URL("./fixtures/", import.meta.url));
const runtime = RUNTIMES.find(({ name }) => name === ("Deno" in globalThis ? "deno" : "node"))!;

function fixture(name: string, ...args: string[]): [string, string[]] {
  const [program, ...rest] = [...runtime.command(join(FIXTURES, name)), ...args];
  return [program, rest];
}

test("the file is made with its folders, for us alone, whatever the umask", () =>
  withTrustFile(undefined, async (_, folder) => {
    const before = process.umask(0);
    try {
      const file = join(folder, "a", "b", "trust.json");
      await changeTrustFile(file, add);
      assert.equal([mode(file), mode(dirname(file)), mode(join(folder, "a"))], [0o600, 0o700, 0o700]);
      assert.equal([...readTrustFile(file).keys()], ["new"]);
      assert.equal(readdirSync(dirname(file)), ["trust.json"]);
    } finally {
      process.umask(before);
    }
  }));

test("everything else in it stays as it was", () =>
  withTrustFile(trustText({ old: [digest(A, { note: "é" })], valueOf: [digest(B)] }), async (file) => {
    const old = readTrustFile(file);
    await changeTrustFile(file, add);
    const now = readTrustFile(file);
    assert.equal([...now.keys()], ["old", "valueOf", "new"]);
    assert.equal([now.get("old"), now.get("valueOf")], [old.get("old"), old.get("valueOf")]);
  }));

test("an entry called constructor is written and read back", () =>
  withTrustFile(undefined, async (file) => {
    await changeTrustFile(file, () => new Map([["toString", [RECORD]], ["constructor", [RECORD]]]));
    assert.equal([...readTrustFile(file).keys()], ["toString", "constructor"]);
  }));

test("nothing is written when nothing is to be changed", () =>
  withTrustFile(trustText({}), async (file) => {
    const before = statSync(file, { bigint: true }).ino;
    await changeTrustFile(file, (entries) => entries);
    assert.is(statSync(file, { bigint: true }).ino, before);
  }));

test("the link of somebody who keeps it elsewhere stays a link", () =>
  withTrustFile(trustText({ old: [] }), async (file, folder) => {
    const elsewhere = join(folder, "dotfiles");
    mkdirSync(elsewhere, { mode: 0o700 });
    renameSync(file, join(elsewhere, "t.json"));
    symlinkSync(join(elsewhere, "t.json"), file);
    await changeTrustFile(file, add);
    assert.ok(lstatSync(file).isSymbolicLink());
    assert.equal([...readTrustFile(join(elsewhere, "t.json")).keys()], ["old", "new"]);
  }));

for (
  const [name, spoil, code] of [
    ["can be written by others", (file: string) => chmodSync(file, 0o666), "ERR_POLICY_UNSAFE"],
    ["lies in an open folder", (file: string) => chmodSync(dirname(file), 0o777), "ERR_POLICY_UNSAFE"],
    ["is broken", (file: string) => writeFileSync(file, "{"), "ERR_POLICY_INVALID"],
  ] as const
) {
  test(`a file that ${name} is not repaired, and stays as it is`, () =>
    withTrustFile(trustText({}), async (file, folder) => {
      spoil(file);
      const before = readFileSync(file, "utf8");
      await rejects(changeTrustFile(file, add), { code });
      assert.is(readFileSync(file, "utf8"), before);
      assert.equal(readdirSync(folder), ["trust.json"]);
    }));
}

test("what would be too large to be read is not written", () =>
  withTrustFile(trustText({ old: [] }), async (file, folder) => {
    const record = { ...RECORD, note: "x".repeat(1 << 20) };
    const change = changeTrustFile(file, () => new Map([["new", [record]]]));
    await rejects(change, { code: "ERR_CONFIG_INVALID", message: /larger than a mebibyte/ });
    assert.equal([...readTrustFile(file).keys()], ["old"]);
    assert.equal(readdirSync(folder), ["trust.json"]);
  }));

test("a folder that we cannot write is named", () => {
  if (skipUnless(process.geteuid?.() !== 0, "root writes everywhere")) return;
  return withTrustFile(trustText({}), async (file, folder) => {
    chmodSync(folder, 0o500);
    try {
      await rejects(changeTrustFile(file, add), {
        code: "ERR_CONFIG_INVALID",
        message: /Cannot make the lock/,
      });
    } finally {
      chmodSync(folder, 0o700);
    }
  });
});

test(
  "many at once lose nothing",
  limited(60_000, () =>
    withTrustFile(undefined, async (file) => {
      const digests = Array.from({ length: 6 }, (_, i) => String(i).repeat(64));
      const codes = await Promise.all(digests.map((sha256, i) => {
        const child = spawn(...fixture("adds-digest.ts", file, `n${i % 2}`, sha256), { stdio: "inherit" });
        return new Promise((resolve) => child.once("exit", resolve));
      }));
      assert.equal(codes, digests.map(() => 0));
      const all = [...readTrustFile(file).values()].flat().map(({ sha256 }) => sha256);
      assert.equal(all.sort(), digests);
      assert.equal(readdirSync(dirname(file)), ["trust.json"]);
    })),
);

test("many at once in one process lose nothing either", () =>
  withTrustFile(undefined, async (file) => {
    const names = Array.from({ length: 20 }, (_, i) => `n${i}`);
    await Promise.all(
      names.map((name) => changeTrustFile(file, (entries) => new Map([...entries, [name, [RECORD]]]))),
    );
    assert.equal([...readTrustFile(file).keys()].sort(), names.sort());
  }));

test(
  "whoever dies under the lock changes nothing, and does not stand in the way",
  limited(60_000, () =>
    withTrustFile(trustText({ old: [] }), async (file, folder) => {
      const dead = spawnSync(...fixture("adds-digest.ts", file, "x", B, "--die"));
      assert.is(dead.signal, "SIGKILL");
      assert.equal(readdirSync(folder).sort(), ["trust.json", "trust.json.lock"]);
      assert.equal([...readTrustFile(file).keys()], ["old"]);
      await changeTrustFile(file, add);
      assert.equal([...readTrustFile(file).keys()], ["old", "new"]);
      assert.equal(readdirSync(folder), ["trust.json"]);
    })),
);

test(
  "a writer killed at any moment leaves a whole file, old or new",
  limited(100_000, () =>
    withTrustFile(undefined, async (file) => {
      for (let round = 0; round < 5; round++) {
        const child = spawn(...fixture("adds-for-ever.ts", file), { stdio: ["ignore", "pipe", "inherit"] });
        const exit = new Promise((resolve) => child.once("exit", resolve));
        await new Promise((resolve) => child.stdout.once("data", resolve));
        await delay(round * 7);
        child.kill("SIGKILL");
        await exit;
        assert.ok(parseTrust(readFileSync(file, "utf8")).get("x")!.length > 0);
      }
      await changeTrustFile(file, add);
      assert.equal(readdirSync(dirname(file)), ["trust.json"], "what was left of the writing is taken away");
    })),
);

test.run();
