import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Digests } from "../../sidecar/platform/digests.ts";
import type { Fact } from "../../sidecar/model/evidence.ts";
import { rejects, withTempDir } from "../harness.ts";
import { call, fixture, initialize, platform, processesWith, server, withUpstream } from "./support.ts";

const test = suite("launchUpstream()");

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const valueOf = <T>(fact: Fact<T>) => "value" in fact ? fact.value : fact.absent;
const gradeOf = <T>(fact: Fact<T>) => "grade" in fact ? fact.grade : "absent";
const launch = (command: readonly string[], more = {}) => withUpstream(command, more, () => {});

/** A program of its own: sh under another name, so that /proc tells it from every other one. */
function program(folder: string, name: string, source = "/bin/sh"): string {
  const file = join(folder, name);
  copyFileSync(source, file);
  chmodSync(file, 0o755);
  return file;
}

function script(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

test("a server is asked and answers, and its exit code is its own", async () => {
  await withUpstream(server("echo"), {}, async ({ upstream, send, line }) => {
    send(initialize);
    assert.match(await line(/"id":1/), /"serverInfo"/);
    send(call);
    assert.match(await line(/"id":2/), /\\"a\\":1/);
    assert.is(upstream.watched, true);
    assert.equal(await upstream.stop("peer-gone"), { code: 0, signal: undefined, cause: "peer-gone" });
  });
});

const behaviours: { name: string; pattern: RegExp; code: number | undefined }[] = [
  { name: "dies-mid-frame", pattern: /"type":"te$/, code: 3 },
  { name: "writes-noise", pattern: /^\[debug\] got tools\/call$/, code: undefined },
  { name: "floods", pattern: /notifications\/message/, code: undefined },
  { name: "dies-on-discover", pattern: /"id":2/, code: undefined },
];
for (const { name, pattern, code } of behaviours) {
  test(`the server that ${name} is seen as it is`, async () => {
    await withUpstream(server(name), {}, async ({ upstream, send, line }) => {
      send(initialize);
      await line(/"id":1/);
      send(call);
      await line(pattern);
      if (code !== undefined) {
        assert.equal(await upstream.exited, { code, signal: undefined, cause: undefined });
      }
    });
  });
}

test("a server that dies on server/discover says so by exit 1, without a cause of ours", async () => {
  await withUpstream(server("dies-on-discover"), {}, async ({ upstream, send }) => {
    send({ jsonrpc: "2.0", id: 0, method: "server/discover", params: {} });
    assert.equal(await upstream.exited, { code: 1, signal: undefined, cause: undefined });
  });
});

test("a server that refuses to start was launched all the same, and exits", async () => {
  await withUpstream(server("refuses-to-start"), { stderr: { prefix: "" } }, async ({ upstream }) => {
    assert.equal(await upstream.exited, { code: 2, signal: undefined, cause: undefined });
  });
});

/** Tells our servers from those of other tests that run at the same time. */
const MARK = `launch-test-${process.pid}`;

const refusals: { name: string; command: readonly string[]; message: RegExp; more?: object }[] = [
  {
    name: "a command that is nowhere",
    command: ["no-such-command"],
    message: /^Cannot start 'no-such-command': no such command in PATH=/,
  },
  { name: "a path that is nowhere", command: ["/no/such/file"], message: /no such file/ },
  { name: "a folder", command: ["/usr"], message: /this is a folder/ },
  { name: "a file that is not executable", command: ["/etc/passwd"], message: /not executable/ },
  { name: "a device", command: ["/dev/null"], message: /not a regular file/ },
  {
    name: "a working folder that is nowhere",
    command: ["true"],
    message: /working folder '\/no\/such'/,
    more: { cwd: "/no/such" },
  },
  { name: "a name without a PATH to look in", command: ["true"], message: /no PATH/, more: { env: {} } },
  { name: "an empty name", command: [""], message: /not a file name/ },
  { name: "no command at all", command: [], message: /not a file name/ },
  {
    name: "a wrong digest",
    command: server("echo", MARK),
    message: /has the sha256 [0-9a-f]{64}/,
    more: { executableDigests: ["0".repeat(64)] },
  },
  {
    name: "an empty list of digests",
    command: server("echo", MARK),
    message: /has the sha256/,
    more: { executableDigests: [] },
  },
  {
    name: "a wrong digest of a further file",
    command: server("echo", MARK),
    message: /echo\.mjs/,
    more: { files: { [fixture("echo")]: "0".repeat(64) } },
  },
  {
    name: "a further file that is nowhere",
    command: server("echo", MARK),
    message: /ENOENT/,
    more: { files: { "no-such-file": "0".repeat(64) } },
  },
];
for (const { name, command, message, more } of refusals) {
  test(`${name} is refused, and nothing runs`, async () => {
    const error = await rejects(launch(command, more), { code: "ERR_UPSTREAM_LAUNCH", message });
    assert.is((error as Error & { publicMessage?: string }).publicMessage, "The server could not be started");
    assert.equal(processesWith(MARK), []);
  });
}

test("a text file without a #! line is refused: execvp would give it to a shell", () =>
  withTempDir(async (folder) => {
    const file = script(folder, "plain", "echo ran\n");
    await rejects(launch([file]), {
      code: "ERR_UPSTREAM_LAUNCH",
      message: /neither an executable nor a script/,
    });
  }));

test("a script without its interpreter is refused, and the interpreter named", () =>
  withTempDir(async (folder) => {
    const file = script(folder, "lost", "#!/usr/bin/env no-such-interpreter\n");
    await rejects(launch([file]), { code: "ERR_UPSTREAM_LAUNCH", message: /no-such-interpreter/ });
  }));

test("the command is looked up in the child's PATH, not in ours", () =>
  withTempDir(async (folder) => {
    mkdirSync(join(folder, "bin"));
    script(join(folder, "bin"), "node", "#!/bin/sh\necho from-the-childs-path\n");
    await withUpstream(["node"], { env: { PATH: join(folder, "bin") } }, ({ line }) =>
      line(/^from-the-childs-path$/));
  }));

test("the environment is exactly what was given", async () => {
  const env = { PATH: process.env.PATH!, ONLY: "this one", EMPTY: "", __proto__x: "1" };
  await withUpstream(["env"], { env }, async ({ upstream, text }) => {
    await upstream.exited;
    assert.equal(
      text().trim().split("\n").sort(),
      Object.entries(env).map(([key, value]) => `${key}=${value}`).sort(),
    );
  });
});

test("the child has its folder, its own session and group, and its name as it was asked for", () =>
  withTempDir(async (folder) => {
    const print = "process.stdout.write(JSON.stringify({ cwd: process.cwd(), name: process.argv0," +
      " stat: require('fs').readFileSync('/proc/self/stat', 'utf8') }) + '\\n')";
    await withUpstream(["node", "-e", print], { cwd: folder }, async ({ upstream, line }) => {
      const printed = JSON.parse(await line(/^\{/)) as { cwd: string; name: string; stat: string };
      const [, , group, session] = printed.stat.slice(printed.stat.lastIndexOf(")") + 2).split(" ");
      assert.equal([printed.cwd, printed.name, Number(group), Number(session)], [
        folder,
        "node",
        upstream.pid,
        upstream.pid,
      ]);
    });
  }));

test("with the right digest an executable runs, and its evidence is measured", () =>
  withTempDir(async (folder) => {
    const file = program(folder, "my-server");
    const digest = sha256(file);
    const command = [file, "-c", 'echo "as $0"; read -r _'];
    await withUpstream(
      command,
      { executableDigests: ["f".repeat(64), digest] },
      async ({ upstream, line }) => {
        assert.is(await line(/^as /), `as ${file}`);
        const { path, executable, interpreter } = await upstream.measured;
        assert.equal([path, valueOf(executable.path), valueOf(executable.sha256)], [file, file, digest]);
        assert.equal([gradeOf(executable.sha256), interpreter], ["measured", undefined]);
      },
    );
  }));

test("with the right digest a script runs as the kernel would run it", () =>
  withTempDir(async (folder) => {
    const text =
      '#!/usr/bin/env -S A=b sh\necho "$0 $A $1"; echo "exe=$(readlink /proc/$$/exe)"; read -r _\n';
    const file = script(folder, "tool", text);
    for (const executableDigests of [undefined, [sha256(file)]]) {
      await withUpstream([file, "arg"], { executableDigests }, async ({ upstream, line }) => {
        await line(new RegExp(`^${file} b arg$`));
        const image = (await line(/^exe=/)).slice(4);
        const { executable, interpreter } = await upstream.measured;
        assert.equal([valueOf(executable.sha256), gradeOf(executable.sha256)], [sha256(file), "heuristic"]);
        assert.equal([valueOf(interpreter!.path), valueOf(interpreter!.sha256)], [image, sha256(image)]);
      });
    }
  }));

test("a program that becomes another one at once is not taken for a swap", async () => {
  for (let round = 0; round < 5; round += 1) {
    await withUpstream(["env", "A=b", ...server("echo")], {}, async ({ send, line }) => {
      send(initialize);
      await line(/"id":1/);
    });
  }
});

/** Digests that are right, and a moment in which somebody acts between the measuring and the start. */
function digestsThen(act: () => void): Digests {
  return {
    fileDigest(path) {
      const digest = sha256(typeof path === "number" ? `/proc/self/fd/${path}` : path);
      act();
      return Promise.resolve(digest);
    },
    inspect: () => Promise.reject(new Error("A server is hashed, and no more is asked of it")),
    close() {},
  };
}

test("a pinned executable that is replaced after it was measured is refused, and the new one never ran", () =>
  withTempDir(async (folder) => {
    const file = program(folder, "server");
    const proof = join(folder, "ran");
    const evil = script(folder, "evil", `#!/bin/sh\necho > ${proof}\n`);
    const digests = digestsThen(() => renameSync(evil, file));
    const launched = launch([file, "-c", "read -r _"], {
      executableDigests: [sha256(file)],
      dependencies: { digests },
    });
    await rejects(launched, { code: "ERR_UPSTREAM_LAUNCH", message: /replaced or written to/ });
    assert.throws(() => readFileSync(proof), /ENOENT/);
    assert.equal(processesWith(folder), []);
  }));

test("a pinned script that is rewritten in place after it was measured is refused", () =>
  withTempDir(async (folder) => {
    const file = script(folder, "main.sh", "read -r _\n");
    const digests = digestsThen(() => writeFileSync(file, "sleep 60\n"));
    const launched = launch(["sh", file], { files: { [file]: sha256(file) }, dependencies: { digests } });
    await rejects(launched, { code: "ERR_UPSTREAM_LAUNCH", message: /replaced or written to/ });
    assert.equal(processesWith(folder), []);
  }));

test("what a refused command had forked is gone as well when the refusal is told, though it dies later", () =>
  withTempDir(async (folder) => {
    const file = script(folder, "main.sh", "read -r _\n");
    const digests = digestsThen(() => writeFileSync(file, "(sleep 60; :) & (sleep 60; :) & wait\n"));
    let forked = false;
    const forking = {
      ...platform,
      closeDescriptor(fd: number) {
        // The runtime is still spawning while this waits: by then the script has begun to run.
        const until = Date.now() + 5000;
        while (!forked && Date.now() < until) forked = processesWith(folder).length === 3;
        platform.closeDescriptor(fd);
      },
    };
    const launched = withLateDeaths(() =>
      launch(["sh", file], { files: { [file]: sha256(file) }, dependencies: { digests, platform: forking } })
    );
    await rejects(launched, { code: "ERR_UPSTREAM_LAUNCH", message: /replaced or written to/ });
    assert.ok(forked);
    assert.equal(processesWith(folder), []);
  }));

/** Has the members of a group that is killed die after its leader, as the kernel may. */
async function withLateDeaths<T>(use: () => Promise<T>): Promise<T> {
  const { kill } = process;
  process.kill = (pid, signal) => {
    if (signal !== "SIGKILL" || pid >= 0) return kill.call(process, pid, signal);
    setTimeout(() => kill.call(process, pid, signal), 200);
    return kill.call(process, -pid, signal);
  };
  try {
    return await use();
  } finally {
    process.kill = kill;
  }
}

test("an executable that is swapped between being opened and being started is refused", () =>
  withTempDir(async (folder) => {
    const [good, evil] = [program(folder, "good"), program(folder, "evil", "/bin/sleep")];
    const file = join(folder, "server");
    symlinkSync(good, file);
    // Descriptors are made after the file was opened and before it is run: the one moment in between that we see.
    const swapping = {
      ...platform,
      socketPair() {
        symlinkSync(evil, `${file}.new`);
        renameSync(`${file}.new`, file);
        return platform.socketPair();
      },
    };
    const launched = launch([file, "60"], { dependencies: { platform: swapping } });
    await rejects(launched, { code: "ERR_UPSTREAM_LAUNCH", message: /replaced or written to/ });
    assert.equal(processesWith(folder), []);
  }));

test.run();
