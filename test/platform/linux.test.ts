import { spawnSync } from "node:child_process";
import { chmodSync, openSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { native } from "../../sidecar/platform/native.ts";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import { readBounded } from "../../sidecar/platform/read-bounded.ts";
import { openUnsupported } from "../../sidecar/platform/unsupported.ts";
import { canRun, fixture, withFolder } from "../attest/fixtures/programs.ts";

const test = suite("openLinux()");
const platform = openPlatform();

function withPair<T>(use: (pair: readonly [number, number]) => T): T {
  const pair = platform.socketPair();
  try {
    return use(pair);
  } finally {
    pair.forEach((fd) => platform.closeDescriptor(fd));
  }
}

test("the kernel names who made a socketpair, and holds the process", () =>
  withPair(([fd]) => {
    const ids = { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() };
    assert.equal(platform.peerCredentials(fd), { value: ids, grade: "kernel" });
    const peer = platform.peerProcess(fd)!;
    assert.is(peer.pid, process.pid);
    assert.is(peer.isAlive(), true);
    assert.match(peer.read("status"), new RegExp(`^Pid:\\s*${process.pid}$`, "m"));
    const again = platform.openProcess(process.pid)!;
    assert.is(again.inode, peer.inode);
    peer.close();
    again.close();
  }));

test("a peer's supplementary groups are those of whoever made the socket", () =>
  withPair(([fd]) => {
    const groups = /^Groups:\t(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]!.trim();
    assert.equal(platform.peerGroups(fd), {
      value: groups === "" ? [] : groups.split(/\s+/).map(Number),
      grade: "kernel",
    });
  }));

test("more groups than fit at first are read all the same", () => {
  const many = Array.from({ length: 1000 }, (_, index) => 5000 + index);
  const change = ["setpriv", "--groups", many.join(",")];
  if (!canRun([...change, "true"], "a process with 1000 groups")) return;
  const [program, ...args] = [...change, ...fixture("../../platform/fixtures/groups.ts")];
  const run = spawnSync(program!, args);
  assert.equal(JSON.parse(run.stdout.toString()), { value: many, grade: "kernel" }, run.stderr.toString());
});

test("a peer's label is the kernel's, or absent with the reason", () =>
  withPair(([fd]) => {
    let expected: object = { absent: "peersec:ENOPROTOOPT" };
    try {
      const label = readFileSync("/proc/self/attr/current", "latin1").replace(/[\0\n]+$/, "");
      expected = { value: label, grade: "kernel" };
    } catch {
      // No LSM in this kernel has labels.
    }
    assert.equal(platform.peerLabel(fd), expected);
  }));

test("what is no Unix socket has neither groups nor label, with the reason", () => {
  const file = openSync("/dev/null", "r");
  for (const fact of [platform.peerGroups(file), platform.peerLabel(file)]) {
    assert.match("absent" in fact ? fact.absent : "", /^peer(groups|sec):(ENOTSOCK|EBADF)$/);
  }
  assert.equal(platform.peerGroups(99_999), { absent: "peergroups:EBADF" });
  assert.equal(platform.peerLabel(99_999), { absent: "peersec:EBADF" });
});

test("what is no Unix socket has no credentials, with the reason", () => {
  const file = openSync("/dev/null", "r");
  const reason = platform.peerCredentials(file);
  assert.match("absent" in reason ? reason.absent : "", /^peercred:(ENOTSOCK|EBADF)$/);
  assert.equal(platform.peerCredentials(99_999), { absent: "peercred:EBADF" });
  assert.is(platform.peerProcess(99_999), undefined);

  const tcp = native().func("int socket(int domain, int type, int protocol)")(2, 1, 0);
  assert.equal(platform.peerCredentials(tcp), { absent: "peercred:no-pid" });
  platform.closeDescriptor(tcp);
});

test("a number that is no process's gives no handle", () => {
  for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 22 + 1]) {
    assert.is(platform.openProcess(pid), undefined, String(pid));
  }
});

test("describe tells kinds apart, and objects", () =>
  withPair(([a, b]) => {
    const one = platform.describe(a);
    assert.is(one.kind, "socket");
    assert.is.not(one.identity, platform.describe(b).identity);
    assert.is(one.identity, platform.describe(a).identity);
    assert.equal(platform.describe(99_999), { kind: "closed", identity: "" });
    for (
      const [path, kind] of [["/dev/null", "null"], ["/dev/zero", "other"], [
        "/proc/self/stat",
        "file",
      ]] as const
    ) {
      assert.is(platform.describe(openSync(path, "r")).kind, kind, path);
    }
  }));

test("our socketpairs are close-on-exec: a child does not inherit them", () =>
  withPair(([fd]) => {
    const { ino } = statSync(`/proc/self/fd/${fd}`);
    assert.match(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), /^flags:\s*02\d{6}$/m, "O_CLOEXEC");
    assert.ok(readlinkSync(`/proc/self/fd/${fd}`).includes(String(ino)));
  }));

test("a socketpair cannot be opened again through /proc, where a pipe can", () =>
  withPair(([fd]) => {
    assert.throws(() => openSync(`/proc/self/fd/${fd}`, "w"), (e: { code: string }) => e.code === "ENXIO");
  }));

test("non-dumpable: another process of this user cannot look inside", () => {
  const root = process.getuid!() === 0;
  // Root may read everything, so the two are an unprivileged user's.
  const drop = root ? ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] : [];
  const reader = [...drop, "test", "-r", fileURLToPath(import.meta.url)];
  if (root && !canRun(reader, "another user that can read this checkout")) return;
  return withFolder((home) => {
    chmodSync(home, 0o777);
    const env = { ...process.env, HOME: home, TMPDIR: home, DENO_DIR: home, TSX_DISABLE_CACHE: "1" };
    const [program, ...args] = [...drop, ...fixture("../../platform/fixtures/harden.ts")];
    const run = spawnSync(program!, args, { env });
    assert.is(run.stdout.toString().trim(), "before: readable, after: refused");
  });
});

test("a file that is longer than allowed is refused, not cut", () => {
  assert.ok(readBounded("/proc/self/status", 1 << 20).length > 100);
  assert.throws(() => readBounded("/proc/self/status", 100), (e: { code: string }) => e.code === "EFBIG");
});

test("an unsupported platform refuses everything", () => {
  const { name, ...calls } = openUnsupported();
  assert.is(name, "unsupported");
  assert.ok(Object.keys(calls).length >= 9);
  for (const [call, refuse] of Object.entries(calls)) {
    const attempt = refuse as () => unknown;
    assert.throws(() => attempt(), (e: { code: string }) => e.code === "ERR_PLATFORM_UNSUPPORTED", call);
  }
});

test.run();
