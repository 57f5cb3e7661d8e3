import { spawn } from "node:child_process";
import { existsSync, lstatSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import type { PeerStream, Sender, UnixConnection } from "../../sidecar/platform/platform.ts";
import { openLinux } from "../../sidecar/platform/linux.ts";
import { type Calls, systemCalls } from "../../sidecar/platform/linux/calls.ts";
import { limited, throws, waitUntil, withTempDir } from "../harness.ts";

const test = suite("listenUnix()");
const platform = openPlatform();

interface Arrivals {
  readonly connections: UnixConnection[];
  readonly errors: Error[];
  close(): void;
}

function listen(path: string, on = platform): Arrivals {
  const connections: UnixConnection[] = [];
  const errors: Error[] = [];
  const listener = on.listenUnix(path, {
    onConnection: (connection) => void connections.push(connection),
    onError: (error) => void errors.push(error),
  });
  return {
    connections,
    errors,
    close() {
      for (const { stream } of connections) stream.destroy();
      listener.close();
    },
  };
}

function hear(stream: PeerStream): { text: string; readonly senders: Sender[] } {
  const heard = { text: "", senders: [] as Sender[] };
  stream.start({
    data: (chunk, sender) => {
      heard.text += chunk.toString();
      heard.senders.push(sender);
    },
    end: () => {},
    error: () => {},
    drain: () => {},
  });
  return heard;
}

test(
  "the socket is its owner's alone, whatever the umask, and goes with the listener",
  limited(10_000, () =>
    withTempDir((folder) => {
      const path = join(folder, "a.sock");
      const before = process.umask(0);
      const arrivals = listen(path);
      assert.is(process.umask(before), 0, "the umask is as it was");
      assert.is(lstatSync(path).mode & 0o777, 0o600);
      arrivals.close();
      assert.not(existsSync(path));
    })),
);

test(
  "what was sent before anybody accepted has its sender",
  limited(20_000, () =>
    withTempDir(async (folder) => {
      const path = join(folder, "a.sock");
      const arrivals = listen(path);
      const client = spawn("python3", [
        "-c",
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b'at once'); sys.stdin.read()",
        path,
      ], { stdio: ["pipe", "inherit", "inherit"] });
      await waitUntil(() => arrivals.connections.length === 1);
      const { fd, stream } = arrivals.connections[0]!;
      const credentials = platform.peerCredentials(fd);
      assert.ok("value" in credentials);
      await waitUntil(() => stream.waiting() === 7);
      const heard = hear(stream);
      await waitUntil(() => heard.text === "at once");
      assert.equal(heard.senders, [credentials.value]);
      assert.is(credentials.value.uid, process.getuid?.());
      const ended = new Promise((resolve) => client.once("exit", resolve));
      client.stdin.end();
      await ended;
      arrivals.close();
    })),
);

test(
  "two hundred at once are all taken",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const path = join(folder, "a.sock");
      const arrivals = listen(path);
      const clients = Array.from({ length: 200 }, () => connect(path).on("error", () => {}));
      await waitUntil(() => arrivals.connections.length === 200, 10_000);
      assert.equal(arrivals.errors, []);
      for (const client of clients) client.destroy();
      arrivals.close();
    })),
);

test("nothing that is there is replaced or followed", () =>
  withTempDir((folder) => {
    const file = join(folder, "file");
    writeFileSync(file, "mine");
    const link = join(folder, "link");
    symlinkSync(join(folder, "elsewhere"), link);
    for (const path of [file, link]) {
      throws(() => listen(path), { code: "ERR_SOCKET_UNSAFE", message: /EADDRINUSE/ });
    }
    assert.not(existsSync(join(folder, "elsewhere")));
    throws(() => listen(join(folder, "x".repeat(200))), { code: "ERR_SOCKET_UNSAFE" });
    throws(() => listen(join(folder, "no/where")), { code: "ERR_SOCKET_UNSAFE", message: /ENOENT/ });
  }));

test("a name that another has taken since is left to it", () =>
  withTempDir((folder) => {
    const path = join(folder, "a.sock");
    const arrivals = listen(path);
    unlinkSync(path);
    writeFileSync(path, "another's");
    arrivals.close();
    assert.ok(existsSync(path));
  }));

const failing = suite("listenUnix() when the kernel refuses");

/** The system's calls, of which one fails. */
function failingAt(name: keyof Calls, code: string, times = Infinity): Calls {
  const real = systemCalls();
  let failed = false;
  let left = times;
  return Object.assign(Object.create(real), {
    errno: () => failed ? code : real.errno(),
    [name]: (...args: never[]) => {
      failed = left-- > 0;
      return failed ? -1 : (real[name] as (...all: never[]) => unknown)(...args);
    },
  }) as Calls;
}

for (const name of ["unixSocket", "setSocketOption", "bindUnix", "listen"] as const) {
  for (const code of Object.keys(constants.errno)) {
    failing(`${name} ${code}: it does not listen`, () =>
      withTempDir((folder) => {
        const calls = failingAt(name, code);
        throws(() => listen(join(folder, "a.sock"), openLinux(() => calls)), {
          code: "ERR_SOCKET_UNSAFE",
        });
      }));
  }
}

for (const code of ["EMFILE", "ECONNABORTED", "EINTR"]) {
  failing(
    `accept ${code} once: the next connection is taken all the same`,
    limited(10_000, () =>
      withTempDir(async (folder) => {
        const path = join(folder, "a.sock");
        const calls = failingAt("accept", code, 1);
        const arrivals = listen(path, openLinux(() => calls));
        const client = connect(path).on("error", () => {});
        await waitUntil(() => arrivals.connections.length === 1);
        client.destroy();
        arrivals.close();
      })),
  );
}

test.run();
failing.run();
