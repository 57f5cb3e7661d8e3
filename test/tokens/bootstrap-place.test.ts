import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import { defaultBootstrapFile, putInDescriptor, putInFile } from "../../sidecar/tokens/bootstrap-place.ts";
import { throws, waitUntil, withTempDir } from "../harness.ts";

const place = suite("where the bootstrap secret is put");
place("a file that nobody else can read, which goes when it is removed", () =>
  withTempDir((folder) => {
    const path = join(folder, "a.bootstrap");
    const put = putInFile(path, "secret");
    assert.is(readFileSync(path, "utf8"), "secret\n");
    assert.is(lstatSync(path).mode & 0o777, 0o600);
    put.remove();
    assert.not(existsSync(path));
  }));

place("the umask opens nothing", () =>
  withTempDir((folder) => {
    const before = process.umask(0);
    try {
      putInFile(join(folder, "a"), "secret");
    } finally {
      process.umask(before);
    }
    assert.is(lstatSync(join(folder, "a")).mode & 0o777, 0o600);
  }));

place("what an earlier guard left is replaced, and not written into", () =>
  withTempDir((folder) => {
    const path = join(folder, "a");
    writeFileSync(path, "old");
    linkSync(path, join(folder, "other-name"));
    putInFile(path, "secret");
    assert.is(readFileSync(path, "utf8"), "secret\n");
    assert.is(readFileSync(join(folder, "other-name"), "utf8"), "old");
  }));

place("a later guard's file stays", () =>
  withTempDir((folder) => {
    const path = join(folder, "a");
    const first = putInFile(path, "one");
    putInFile(path, "two");
    first.remove();
    assert.is(readFileSync(path, "utf8"), "two\n");
  }));

const unsafe: readonly [name: string, prepare: (folder: string) => string][] = [
  ["a folder that others can list", (folder) => {
    mkdirSync(join(folder, "open"), { mode: 0o755 });
    chmodSync(join(folder, "open"), 0o755);
    return join(folder, "open", "a");
  }],
  ["a folder that is a link", (folder) => {
    mkdirSync(join(folder, "real"), { mode: 0o700 });
    symlinkSync(join(folder, "real"), join(folder, "link"));
    return join(folder, "link", "a");
  }],
  ["no folder", (folder) => join(folder, "none", "a")],
  ["a link in its place", (folder) => {
    symlinkSync(join(folder, "target"), join(folder, "a"));
    return join(folder, "a");
  }],
  ["a folder in its place", (folder) => {
    mkdirSync(join(folder, "a"));
    return join(folder, "a");
  }],
];
for (const [name, prepare] of unsafe) {
  place(`${name} is refused, and the secret is not in the message`, () =>
    withTempDir((folder) => {
      const error = throws(() => putInFile(prepare(folder), "secret-text"), { code: "ERR_CONFIG_INVALID" });
      assert.not(error.message.includes("secret-text"));
      assert.not(existsSync(join(folder, "target")));
    }));
}

place(
  "without a file's name it is one of this process, in the runtime folder",
  () =>
    withTempDir((folder) => {
      const path = defaultBootstrapFile("files", { XDG_RUNTIME_DIR: folder });
      assert.is(path, join(folder, "mcp-guard", `files.${process.pid}.bootstrap`));
      assert.is(basename(path).includes("/"), false);
    }),
);

place("a pipe gets it, and its end", async () => {
  const platform = openPlatform();
  const [read, write] = platform.pipe();
  const put = putInDescriptor(platform, write, "secret");
  let text = "";
  let ended = false;
  const reader = platform.openStream(read, "read");
  reader.start({
    data: (chunk) => void (text += chunk.toString()),
    end: () => void (ended = true),
    error: () => {},
    drain: () => {},
  });
  await waitUntil(() => ended);
  assert.is(text, "secret\n");
  put.remove();
  reader.destroy();
});

place("a file, a closed descriptor and the like are refused", () => {
  const platform = openPlatform();
  throws(() => putInDescriptor(platform, 999, "x"), { code: "ERR_CONFIG_INVALID", message: /not open/ });
});
place.run();
