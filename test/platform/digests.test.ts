import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createDigests, type DigestOptions, type Digests } from "../../sidecar/platform/digests.ts";
import { isPrivate, privateFolder, runtimeFolder } from "../../sidecar/platform/runtime-folder.ts";
import { sha256sum, withFolder } from "../attest/fixtures/programs.ts";

const test = suite("createDigests()");
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function withDigests<T>(options: DigestOptions, use: (digests: Digests) => Promise<T>): Promise<T> {
  const digests = createDigests({ folder: () => undefined, ...options });
  try {
    return await use(digests);
  } finally {
    digests.close();
  }
}

async function reasonOf(digest: Promise<string>): Promise<string> {
  try {
    return `a digest: ${await digest}`;
  } catch (error) {
    assert.is((error as { code: string }).code, "ERR_ATTESTATION_FAILED");
    return (error as { reason: string }).reason;
  }
}

test("a digest is the one of sha256sum", () =>
  withFolder((folder) =>
    withDigests({}, async (digests) => {
      for (const size of [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000]) {
        const path = join(folder, `f${size}`);
        writeFileSync(path, Buffer.alloc(size, "guard"));
        assert.is(await digests.fileDigest(path), sha256sum(path), `${size} bytes`);
      }
    })
  ));

test("a descriptor may be closed as soon as the call returned", () =>
  withFolder((folder) =>
    withDigests({}, async (digests) => {
      const path = join(folder, "f");
      writeFileSync(path, "first");
      const fd = openSync(path, "r");
      const digest = digests.fileDigest(fd);
      closeSync(fd);
      closeSync(openSync("/dev/null", "r"));
      assert.is(await digest, sha256sum(path));
    })
  ));

test("what is not a readable regular file of sane size has a reason instead", () =>
  withFolder((folder) =>
    withDigests({ limit: 1 << 20 }, async (digests) => {
      const sparse = join(folder, "sparse");
      writeFileSync(sparse, "");
      truncateSync(sparse, 2 ** 40);
      const fifo = join(folder, "fifo");
      assert.is(spawnSync("mkfifo", [fifo]).status, 0);
      for (
        const [path, reason] of [
          [sparse, "too-big"],
          [fifo, "not-a-file"],
          [folder, "not-a-file"],
          ["/dev/zero", "not-a-file"],
          [join(folder, "none"), "ENOENT"],
          // Says that it has no bytes, and has some: what was counted decides.
          ["/proc/self/status", "changed"],
        ] as const
      ) assert.is(await reasonOf(digests.fileDigest(path)), reason, path);
    })
  ));

test("a file that changes while it is read has no digest", () =>
  withFolder((folder) =>
    withDigests({}, async (digests) => {
      const path = join(folder, "f");
      writeFileSync(path, Buffer.alloc(64 << 20));
      const digest = digests.fileDigest(path);
      writeFileSync(path, "x", { flag: "r+" });
      assert.is(await reasonOf(digest), "changed");
    })
  ));

test("close rejects what is pending, and what comes later", () =>
  withFolder(async (folder) => {
    const path = join(folder, "f");
    writeFileSync(path, Buffer.alloc(64 << 20));
    const digests = createDigests({ folder: () => undefined });
    const pending = reasonOf(digests.fileDigest(path));
    digests.close();
    assert.is(await pending, "ECANCELED");
    assert.is(await reasonOf(digests.fileDigest(path)), "stopped");
  }));

/** The one entry of a cache; what is in it can be seen to be used, since a false digest comes back. */
function onlyEntry(folder: string): string {
  const boots = readdirSync(folder).filter((name) => name.startsWith("digests-"));
  assert.is(boots.length, 1);
  const entries = readdirSync(join(folder, boots[0]!));
  assert.is(entries.length, 1);
  return join(folder, boots[0]!, entries[0]!);
}

const FALSE_DIGEST = "f".repeat(64);
const FALSE_ENTRY = `k1 ${FALSE_DIGEST} native`;

test("another guard of this user and boot finds the digest of a running, settled file", () =>
  withFolder(async (folder) => {
    const path = join(folder, "f");
    const base = join(folder, "run");
    mkdirSync(base, { mode: 0o700 });
    writeFileSync(path, "bytes");
    const options = { folder: () => base };
    await withDigests(options, (digests) => digests.fileDigest(path, { running: true }));
    assert.equal(readdirSync(join(base, readdirSync(base)[0]!)), [], "changed less than two seconds ago");

    await wait(2100);
    await withDigests(options, (digests) => digests.fileDigest(path));
    assert.equal(readdirSync(join(base, readdirSync(base)[0]!)), [], "not known to run");

    const genuine = await withDigests(options, (digests) => digests.fileDigest(path, { running: true }));
    const entry = onlyEntry(base);
    assert.is(readFileSync(entry, "latin1"), `k1 ${genuine} unknown-runtime`);
    assert.is(statSync(entry).mode & 0o777, 0o600);
    writeFileSync(entry, FALSE_ENTRY);
    const ask = () => withDigests(options, (digests) => digests.fileDigest(path, { running: true }));
    assert.is(await ask(), FALSE_DIGEST, "the entry was used");
    assert.is(
      await withDigests(options, (digests) => digests.fileDigest(path)),
      genuine,
      "only where it may be",
    );

    for (
      const damage of [
        "",
        FALSE_DIGEST,
        FALSE_ENTRY.replace("f", ""),
        FALSE_ENTRY.replace("f", "ff"),
        FALSE_ENTRY.toUpperCase(),
        `k0 ${FALSE_DIGEST} native`,
        `k1 ${FALSE_DIGEST} trusted`,
        `k1 ${FALSE_DIGEST} __proto__`,
        `${FALSE_ENTRY} more`,
        FALSE_ENTRY.slice(0, -1),
      ]
    ) {
      writeFileSync(entry, damage);
      assert.is(await ask(), genuine, `not an entry: '${damage}'`);
    }
    writeFileSync(entry, FALSE_ENTRY);
    chmodSync(entry, 0o622);
    assert.is(await ask(), genuine, "others may write to it");
    rmSync(entry);
    writeFileSync(join(folder, "elsewhere"), FALSE_ENTRY, { mode: 0o600 });
    symlinkSync(join(folder, "elsewhere"), entry);
    assert.is(await ask(), genuine, "a link is not an entry");
  }));

test("other bytes of the same size and time are hashed anew", () =>
  withFolder(async (folder) => {
    const path = join(folder, "f");
    const base = join(folder, "run");
    mkdirSync(base, { mode: 0o700 });
    writeFileSync(path, "one!");
    await wait(2100);
    await withDigests({ folder: () => base }, async (digests) => {
      const before = statSync(path, { bigint: true });
      const first = await digests.fileDigest(path, { running: true });
      onlyEntry(base);
      writeFileSync(path, "two!");
      utimesSync(path, Number(before.atimeNs) / 1e9, Number(before.mtimeNs / 1000n) / 1e6);
      const after = statSync(path, { bigint: true });
      const naive = (stat: typeof before) => [stat.ino, stat.size, stat.mtimeMs].join();
      assert.is(naive(after), naive(before), "a key of inode, size and mtime is fooled");
      const second = await digests.fileDigest(path, { running: true });
      assert.is.not(second, first);
      assert.is(second, sha256sum(path));
    });
  }));

test("a running file that is asked for many times at once is read once, and by each right", () =>
  withFolder((folder) =>
    withDigests({}, async (digests) => {
      const path = join(folder, "f");
      copyFileSync(process.execPath, path);
      const all = await Promise.all(Array.from({ length: 8 }, () => digests.fileDigest(path)));
      assert.equal(new Set(all), new Set([sha256sum(process.execPath)]));
    })
  ));

test("a folder that others can enter, a link, and somebody else's are not used", () =>
  withFolder((folder) => {
    // Made where it is missing; then it is not ours to leave behind.
    const lastResort = `/tmp/mcp-guard-${process.getuid!()}`;
    const existed = existsSync(lastResort);
    const open = join(folder, "open");
    mkdirSync(open, { mode: 0o700 });
    chmodSync(open, 0o755);
    assert.is(privateFolder(open), undefined);
    const own = join(folder, "own");
    assert.is(privateFolder(own), own);
    assert.is(statSync(own).mode & 0o777, 0o700);
    const link = join(folder, "link");
    symlinkSync(own, link);
    assert.is(privateFolder(link), undefined);
    assert.is(isPrivate(own, process.getuid!() + 1), false);
    assert.is(runtimeFolder({ XDG_RUNTIME_DIR: own }), join(own, "mcp-guard"));
    for (const ignored of [open, "relative", join(folder, "none")]) {
      const fallback = runtimeFolder({ XDG_RUNTIME_DIR: ignored });
      assert.not(fallback?.startsWith(folder), ignored);
    }
    if (!existed) rmSync(lastResort, { recursive: true, force: true });
  }));

test.run();
