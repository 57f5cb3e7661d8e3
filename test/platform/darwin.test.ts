import { closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openParent } from "../../sidecar/attest/lineage.ts";
import { measureProcess } from "../../sidecar/attest/measure.ts";
import { holdSocketPeer } from "../../sidecar/attest/socket-peer.ts";
import { openToldImage } from "../../sidecar/attest/told-image.ts";
import { openDarwin } from "../../sidecar/platform/darwin.ts";
import { LOCAL_PEERCRED, LOCAL_PEERPID, LOCAL_PEERTOKEN } from "../../sidecar/platform/darwin/calls.ts";
import {
  foreignFileSystem,
  parseShortInfo,
  parseToken,
  parseUnique,
  parseXucred,
} from "../../sidecar/platform/darwin/structures.ts";
import { createDigests } from "../../sidecar/platform/digests.ts";
import { examineSystem } from "../../sidecar/platform/examine/examine.ts";
import { withFolder } from "../attest/fixtures/programs.ts";
import { FakeMac, statfs, words } from "./fixtures/fake-mac.ts";

const test = suite("openDarwin()");
const CLIENT = 700;
const FD = 9;

const reason = (fact: object): unknown => "absent" in fact ? fact.absent : fact;

test("structures are read from where XNU has their fields", () => {
  const xucred = words(0, 501, 2, 20, 80, ...Array<number>(14).fill(0));
  assert.equal(parseXucred(xucred), { uid: 501, gid: 20 });
  assert.equal(parseToken(words(1, 501, 20, 502, 21, 700, 3, 99)), {
    euid: 501,
    egid: 20,
    pid: 700,
    version: 99,
  });
  const unique = words(0, 0, 0, 0, 5, 1, 4, 0, 99, 98, 0, 0, 0, 0);
  assert.equal(parseUnique(unique), { uniqueId: 0x1_0000_0005n, version: 99, parentVersion: 98 });
  const short = words(700, 600, 700, 2, 0, 0, 0, 0, 2, 501, 20, 502, 21, 503, 22, 0);
  assert.equal(parseShortInfo(short), {
    pid: 700,
    ppid: 600,
    uids: [502, 501, 503],
    gids: [21, 20, 22],
    traced: true,
  });
});

test("what is not the structure that is meant is no answer", () => {
  const rest = Array<number>(15).fill(0);
  assert.is(parseXucred(words(1, 501, 1, 20, ...rest)), undefined, "another version");
  assert.is(parseXucred(words(0, 501, 0, 20, ...rest)), undefined, "no group, so no gid");
  assert.is(parseXucred(words(0, 501, 17, 20, ...rest)), undefined, "more groups than there is room");
  assert.is(parseXucred(words(0, 501, 0xffff, 20, ...rest)), undefined, "a negative count");
  assert.is(parseToken(words(0, 0, 0, 0, 0, 0, 0, 0)), undefined, "nobody");
  assert.is(parseToken(words(0, 0, 0, 0, 0, 0xffffffff, 0, 1)), undefined, "a negative pid");
  assert.is(parseUnique(words(...Array<number>(14).fill(0))), undefined, "a kernel without versions");
});

test("bytes of any other length are no structure", () => {
  const parsers = [[parseXucred, 76], [parseToken, 32], [parseUnique, 56], [parseShortInfo, 64]] as const;
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    for (const [parse, size] of parsers) if (bytes.length !== size) assert.is(parse(bytes), undefined);
    assert.is(foreignFileSystem(bytes), "malformed");
  }));
});

test("only apfs and hfs on this machine are local", () => {
  assert.is(foreignFileSystem(statfs("apfs")), undefined);
  assert.is(foreignFileSystem(statfs("hfs")), undefined);
  assert.is(foreignFileSystem(statfs("macfuse")), "macfuse");
  assert.is(foreignFileSystem(statfs("apfs", false)), "apfs", "apfs that is not marked local");
  assert.is(foreignFileSystem(statfs("")), "unnamed");
  assert.is(foreignFileSystem(statfs("ap\u001bfs")), "ap?fs");
});

test("a peer's account is that of its connection, its process the one that uses the socket now", () => {
  const platform = openDarwin(() => new FakeMac());
  assert.equal(platform.peerCredentials(FD), { value: { pid: CLIENT, uid: 501, gid: 20 }, grade: "kernel" });
  const handle = platform.peerProcess(FD)!;
  assert.is(handle.pid, CLIENT);
  assert.is(handle.isAlive(), true);
  assert.is(handle.inode, "70.99");
});

for (
  const [name, call] of [
    ["LOCAL_PEERCRED", LOCAL_PEERCRED],
    ["LOCAL_PEERPID", LOCAL_PEERPID],
    ["LOCAL_PEERTOKEN", LOCAL_PEERTOKEN],
  ] as const
) {
  for (const errno of ["ENOTCONN", "EINVAL", "ESRCH", "EBADF", "ENOTSOCK", "ENOPROTOOPT", "EPERM"]) {
    test(`${name} failing with ${errno} is nobody`, () => {
      const mac = new FakeMac();
      const platform = openDarwin(() => mac);
      mac.failing.set(`option-${call}`, errno);
      assert.is(reason(platform.peerCredentials(FD)), `peercred:${errno}`);
      assert.is(platform.peerProcess(FD), undefined);
      assert.equal(holdSocketPeer(platform, FD, CLIENT), { absent: "peer-gone" });
    });
  }
  test(`${name} cut short is nobody`, () => {
    const mac = new FakeMac();
    mac.short.add(`option-${call}`);
    assert.is(reason(openDarwin(() => mac).peerCredentials(FD)), "peercred:malformed");
  });
}

test("another account at the socket than the one that connected is nobody", () => {
  for (const token of [{ euid: 0 }, { egid: 0 }, { euid: 502 }]) {
    const mac = new FakeMac();
    Object.assign(mac.token, token);
    assert.is(reason(openDarwin(() => mac).peerCredentials(FD)), "peercred:account-changed");
  }
  const mac = new FakeMac();
  mac.lastPid = 701;
  assert.is(reason(openDarwin(() => mac).peerCredentials(FD)), "peercred:pid-changed");
});

test("a token that changes in any of its 32 bytes while the process is held is a refusal", () => {
  for (let byte = 0; byte < 32; byte++) {
    const mac = new FakeMac();
    mac.onToken = (bytes, reading) => {
      if (reading > 1) bytes[byte]! ^= 1;
    };
    const platform = openDarwin(() => mac);
    assert.is(platform.peerProcess(FD), undefined, `byte ${byte}`);
  }
});

test("a pid that was given to another process, or an exec, is a refusal", () => {
  const reused = new FakeMac();
  reused.processes.get(CLIENT)!.version = 100;
  assert.is(openDarwin(() => reused).peerProcess(FD), undefined);
  assert.equal(holdSocketPeer(openDarwin(() => reused), FD, CLIENT), { absent: "peer-gone" });
  for (const change of [{ version: 100 }, { uniqueId: 71 }]) {
    const mac = new FakeMac();
    const handle = openDarwin(() => mac).peerProcess(FD)!;
    Object.assign(mac.processes.get(CLIENT)!, change);
    assert.is(handle.isAlive(), false);
    const told = handle.told!;
    for (const ask of [() => told.account(), () => told.birth(), () => told.imagePath()]) {
      assert.throws(ask, (error: { code: string }) => ["ESRCH", "ESTALE"].includes(error.code));
    }
    assert.throws(() => told.incarnation(), (error: { code: string }) => error.code === "ESRCH");
  }
});

test("what the kernel does not tell of a process is absent with its reason", () => {
  for (const errno of ["EPERM", "ESRCH", "EINVAL", "ENOTSUP"]) {
    for (const [call, field] of [["info-13", "uid"], ["codesign-0", "executable"], ["path", "executable"]]) {
      const mac = new FakeMac();
      const handle = openDarwin(() => mac).openProcess(CLIENT)!;
      mac.failing.set(call!, errno);
      const { evidence } = measureProcess(handle, { grade: "lineage", accountGrade: "kernel" });
      const fact = field === "uid" ? evidence.uid : evidence.executable.sha256;
      assert.match(String(reason(fact)), new RegExp(`:${errno}$`), `${call} ${errno}`);
    }
  }
  const mac = new FakeMac();
  mac.failing.set("info-17", "EPERM");
  assert.is(openDarwin(() => mac).openProcess(CLIENT), undefined);
});

test("a traced, debugged or no longer valid image gives an account and nothing else", () => {
  for (
    const [change, expected] of [
      [{ traced: true }, "traced"],
      [{ signing: 0x10000001 }, "debugged"],
      [{ signing: 0x5 }, "task-open"],
      [{ signing: 0 }, "codesign-invalid"],
    ] as const
  ) {
    const mac = new FakeMac();
    Object.assign(mac.processes.get(CLIENT)!, change);
    const handle = openDarwin(() => mac).openProcess(CLIENT)!;
    const { evidence } = measureProcess(handle, { grade: "lineage", accountGrade: "kernel" });
    assert.equal(evidence.uid, { value: 501, grade: "kernel" });
    assert.is(reason(evidence.groups), "groups-incomplete");
    assert.is(reason(evidence.executable.path), expected);
  }
});

test("an image is opened, compared and hashed, and is never more than lineage", () =>
  withFolder(async (folder) => {
    const mac = new FakeMac();
    mac.processes.get(CLIENT)!.path = join(folder, "client");
    writeFileSync(join(folder, "client"), "the client");
    const handle = openDarwin(() => mac).openProcess(CLIENT)!;
    const measured = measureProcess(handle, { grade: "lineage", accountGrade: "kernel" });
    const digests = createDigests({ folder: () => undefined });
    try {
      const { executable, argv, namespaces } = await measured.complete(digests);
      assert.equal(executable.path, { value: join(folder, "client"), grade: "lineage" });
      assert.equal(executable.sha256, {
        value: "3d2dec7735de6d7cc8b81e851e74080b3f69a206415df151616453efa0c09a38",
        grade: "lineage",
      });
      assert.is(reason(argv), "cmdline-unreadable:ENOTSUP");
      assert.is("absent" in namespaces.mnt, true);
      assert.is(measured.stillSame(), true);
      mac.processes.get(CLIENT)!.version++;
      assert.is(measured.stillSame(), false, "an exec of the same file");
    } finally {
      digests.close();
      measured.close();
    }
    const again = openDarwin(() => mac).openProcess(CLIENT)!;
    const capped = openToldImage(again, again.told!, "measured");
    assert.ok(typeof capped !== "string" && "grade" in capped.path && capped.path.grade === "lineage");
    capped.close();
  }));

test("a file that is replaced, moved, a link, or on another's file system is no image", () =>
  withFolder((folder) => {
    const path = join(folder, "client");
    const look = (change: (mac: FakeMac) => void): unknown => {
      const mac = new FakeMac();
      mac.processes.get(CLIENT)!.path = path;
      change(mac);
      const handle = openDarwin(() => mac).openProcess(CLIENT)!;
      return openToldImage(handle, handle.told!, "lineage");
    };
    writeFileSync(path, "the client");
    const other = openSync(join(folder, "other"), "w");
    closeSync(other);
    const moved = (mac: FakeMac) => {
      mac.onPath = (asked) => asked === 1 ? path : join(folder, "other");
    };
    assert.is(look(moved), "exe-changed");
    assert.is(look((mac) => void (mac.fileSystemName = "smbfs")), "exe-untrusted-fs:smbfs");
    assert.is(look((mac) => mac.failing.set("statfs", "EIO")), "exe-unreadable:EIO");
    assert.is(look((mac) => void (mac.onPath = () => "/proc/self/exe")), "exe-unreadable:ELOOP");
    assert.is(look((mac) => void (mac.onPath = () => folder)), "exe-not-a-file");
    assert.is(look((mac) => void (mac.onPath = () => "relative")), "exe-unreadable:ESTALE");
    assert.ok(statSync(path).isFile());
  }));

test("a parent is one that forked this very child with the image it still runs", () => {
  const mac = new FakeMac();
  const platform = openDarwin(() => mac);
  const parent = openParent(platform, platform.openProcess(CLIENT)!);
  assert.is(typeof parent === "string" ? parent : parent.pid, 600);
  mac.processes.get(600)!.version = 51;
  assert.is(openParent(platform, platform.openProcess(CLIENT)!), "broken", "it ran another program since");
  mac.processes.get(600)!.version = 50;
  mac.processes.get(600)!.uniqueId = 80;
  assert.is(openParent(platform, platform.openProcess(CLIENT)!), "broken", "born after its child");
});

test("no debugger may attach, or the guard does not start", () => {
  const mac = new FakeMac();
  openDarwin(() => mac).hardenSelf();
  assert.is(mac.denied, 1);
  mac.failing.set("ptrace", "EPERM");
  assert.throws(
    () => openDarwin(() => mac).hardenSelf(),
    (error: { code: string }) => error.code === "ERR_PLATFORM_UNSUPPORTED",
  );
});

test("doors whose visitors cannot be told apart are refused", () => {
  const platform = openDarwin(() => new FakeMac());
  const events = { onConnection() {}, onError() {} };
  for (
    const open of [
      () => platform.listenUnix("/nowhere/socket", events),
      () => platform.connectUnix("/nowhere/socket"),
      () => platform.passDescriptors(FD, new Uint8Array(1), [0]),
    ]
  ) {
    assert.throws(open, (error: { code: string }) => error.code === "ERR_PLATFORM_UNSUPPORTED");
  }
  assert.is(reason(platform.peerGroups(FD)), "peergroups:not-on-darwin");
  assert.is(reason(platform.peerLabel(FD)), "peersec:not-on-darwin");
});

test("doctor says that it never ran on a Mac, and is not usable", () => {
  const around = { env: {}, execArgv: [], auditFolder: "/nonexistent" };
  const system = examineSystem(openDarwin(() => new FakeMac()), around)[0]!;
  assert.is(system.state, "missing");
  assert.match(system.means, /never run on a Mac/);
});

test.run();
