import { chmodSync, existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { prepareSocketPath } from "../../sidecar/front/socket-path.ts";
import { limited, rejects, skipUnless, withTempDir } from "../harness.ts";

const it = suite("prepareSocketPath()");
const unsafe = (path: string, message: RegExp) =>
  rejects(prepareSocketPath(path), { code: "ERR_SOCKET_UNSAFE", message });

it("makes the folder, for us alone", () =>
  withTempDir(async (folder) => {
    await prepareSocketPath(join(folder, "mine/a.sock"));
    assert.is(lstatSync(join(folder, "mine")).mode & 0o777, 0o700);
  }));

for (const mode of [0o755, 0o750, 0o701, 0o770, 0o777]) {
  it(`a folder of mode ${mode.toString(8)} is refused`, () =>
    withTempDir(async (folder) => {
      mkdirSync(join(folder, "open"));
      chmodSync(join(folder, "open"), mode);
      await unsafe(join(folder, "open/a.sock"), /open to others.*chmod 700/);
    }));
}

it("a folder that is a link, or no folder, is refused", () =>
  withTempDir(async (folder) => {
    mkdirSync(join(folder, "real"), { mode: 0o700 });
    symlinkSync(join(folder, "real"), join(folder, "link"));
    writeFileSync(join(folder, "file"), "");
    await unsafe(join(folder, "link/a.sock"), /no folder/);
    await unsafe(join(folder, "file/a.sock"), /no folder|ENOTDIR/);
    await unsafe(join(folder, "missing/deeper/a.sock"), /cannot be made/);
  }));

it("another user's folder is refused", () =>
  withTempDir(async (folder) => {
    if (skipUnless(process.getuid?.() === 0, "needs root")) return;
    mkdirSync(join(folder, "theirs"), { mode: 0o700 });
    spawnSync("chown", ["54321", join(folder, "theirs")]);
    await unsafe(join(folder, "theirs/a.sock"), /belongs to uid 54321/);
  }));

it("what is there and no socket is left alone", () =>
  withTempDir(async (folder) => {
    writeFileSync(join(folder, "a.sock"), "precious");
    await unsafe(join(folder, "a.sock"), /something else than a socket/);
    symlinkSync(join(folder, "elsewhere"), join(folder, "link.sock"));
    await unsafe(join(folder, "link.sock"), /symbolic link/);
    assert.ok(existsSync(join(folder, "a.sock")));
  }));

it(
  "a live socket is left alone, one that nobody answers on is removed",
  limited(10_000, () =>
    withTempDir(async (folder) => {
      const path = join(folder, "a.sock");
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(path, resolve));
      await unsafe(path, /another process answers/);
      assert.ok(existsSync(path));
      await new Promise((resolve) => server.close(resolve));
      const left = spawnSync("python3", [
        "-c",
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)",
        path,
      ]);
      assert.is(left.status, 0);
      assert.ok(existsSync(path), "a guard that was killed leaves its socket");
      await prepareSocketPath(path);
      assert.not(existsSync(path));
    })),
);

it("a path that is relative or too long is refused", async () => {
  await unsafe("a.sock", /not absolute/);
  await unsafe(`/tmp/${"x".repeat(120)}`, /longer than/);
});

it.run();
