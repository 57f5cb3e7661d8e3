import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicyFile } from "../../sidecar/config/policy-file.ts";
import { realPath } from "../../sidecar/config/real-path.ts";
import { skipUnless, withTempDir } from "../harness.ts";

const test = suite("realPath()");

async function withTree(body: (root: string) => void | Promise<void>): Promise<void> {
  await withTempDir(async (temp) => {
    const root = realpathSync(temp);
    mkdirSync(join(root, "project", "sub"), { recursive: true });
    mkdirSync(join(root, "other"));
    writeFileSync(join(root, "project", "file"), "");
    writeFileSync(join(root, "other", "secret"), "");
    const link = (target: string, name: string) => symlinkSync(target, join(root, "project", name));
    link("sub", "relative");
    link(join(root, "other"), "out");
    link("../other/secret", "out-file");
    link("new.txt", "dangling");
    link(join(root, "other", "new"), "dangling-out");
    link("missing/../../other", "dotted");
    link("loop", "loop");
    link("/proc/self/cwd", "to-proc");
    link("relative/../out", "chain");
    await body(root);
  });
}

const cases: readonly (readonly [path: string, expected: string | undefined])[] = [
  ["project/file", "project/file"],
  ["project/new/deep/file", "project/new/deep/file"],
  ["project/relative", "project/sub"],
  ["project/relative/new", "project/sub/new"],
  ["project/out/secret", "other/secret"],
  ["project/out/new", "other/new"],
  ["project/out-file", "other/secret"],
  ["project/dangling", "project/new.txt"],
  ["project/dangling-out", "other/new"],
  ["project/dangling-out/x", "other/new/x"],
  ["project/dotted", undefined],
  ["project/chain", "other"],
  ["project/loop", undefined],
  ["project/file/x", undefined],
  ["project/to-proc", undefined],
  ["project/to-proc/x", undefined],
];
for (const [path, expected] of cases) {
  test(`${path} leads to ${expected ?? "nowhere that can be told"}`, async () => {
    await withTree((root) => {
      assert.is(realPath(join(root, path)), expected === undefined ? undefined : join(root, expected));
    });
  });
}

test("links of /proc are not followed", () => {
  if (skipUnless(process.platform === "linux", "only Linux has /proc")) return;
  for (
    const path of ["/proc/self", "/proc/self/root/etc", `/proc/${process.pid}/cwd`, "/dev/fd/0", "/dev/stdin"]
  ) {
    assert.is(realPath(path), undefined, path);
  }
});

test("a locked folder cannot be told", async () => {
  if (skipUnless(process.geteuid?.() !== 0, "root may look everywhere")) return;
  await withTree((root) => {
    chmodSync(join(root, "other"), 0);
    assert.is(realPath(join(root, "project", "out", "secret")), undefined);
    chmodSync(join(root, "other"), 0o700);
  });
});

test("too long a name cannot be told", () => {
  assert.is(realPath(`/${"a".repeat(300)}/b`), undefined);
});

test("'under' refuses every way out of the project that the file system has", async () => {
  await withTree(async (root) => {
    const project = join(root, "project");
    const file = join(root, "other", "p.yaml");
    const rule = "{name: r, tools: [t], effect: allow, args: {path: {under: $PROJECT}}}";
    writeFileSync(file, `version: 1\nname: test\nrules:\n  - ${rule}\n`, { mode: 0o600 });
    const { policy } = await loadPolicyFile(file, { vars: {}, cwd: project });
    const allows = (path: string) =>
      policy.decide({ kind: "tool", name: "t", args: { path } }).effect === "allow";
    for (const inside of ["", "/file", "/new/file", "/relative/x", "/dangling", "//file", "/./file"]) {
      assert.ok(allows(project + inside), inside);
    }
    const outside = [
      "/out/secret",
      "/out-file",
      "/dangling-out",
      "/chain/secret",
      "/to-proc/x",
      "/loop",
      "/../other/secret",
      "/%2e%2e/other/secret",
      "/file\0",
      "/relative/../../other/secret",
      "-evil/file",
      "/dotted/secret",
    ].map((path) => project + path);
    for (const path of [...outside, join(root, "other", "secret"), `/proc/self/root${project}/file`]) {
      assert.not(allows(path), path);
    }
  });
});

test.run();
