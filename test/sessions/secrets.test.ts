/** `server.env.secrets`: what the server gets, and who else does not. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withGuard, withTempDir } from "../harness.ts";
import { descendantsOf } from "./processes.ts";
import { endOf, fixture, NODE, withPuppet } from "./puppet.ts";

const SECRET = "k7-very-secret";
const policy = (file: string, more = "") =>
  `version: 1\nname: puppet\nserver: {env: {set: {PLAIN: x}, secrets: {API_TOKEN: {file: ${file}}}}}\ndefault: allow\n${more}`;

const withFile = (use: (file: string, folder: string) => Promise<unknown>, bytes = `${SECRET}\n`) =>
  withTempDir(async (folder) => {
    const file = join(folder, "api-token");
    writeFileSync(file, bytes, { mode: 0o600 });
    await use(file, folder);
  });

const secrets = suite("server.env.secrets");
secrets(
  "the server finds the value in its environment, and nobody finds it elsewhere",
  limited(60_000, () =>
    withFile((file) =>
      withPuppet({ policy: policy(file) }, async (guard) => {
        await guard.call("echo", {});
        const [server] = descendantsOf(guard.pid).filter((pid) =>
          read(pid, "cmdline").includes("puppet.mjs")
        );
        assert.ok(read(server!, "environ").split("\0").includes(`API_TOKEN=${SECRET}`));
        for (const pid of [guard.pid, ...descendantsOf(guard.pid)]) {
          assert.not(read(pid, "cmdline").includes(SECRET));
          if (pid !== server) assert.not(read(pid, "environ").includes(SECRET));
        }
        assert.not(guard.stderr.includes(SECRET));
        assert.not(readFileSync(guard.auditFile, "utf8").includes(SECRET));
      })
    )),
);

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    // The guard keeps its own environment to itself.
    return "";
  }
}

secrets(
  "a policy that only observes does not start with secrets",
  limited(
    60_000,
    () =>
      withFile((file) =>
        withGuard(
          { policy: policy(file, "mode: observe\n"), server: [NODE, fixture("silent.mjs")] },
          async (guard) => {
            assert.is((await guard.exit).code, 1);
            assert.match(guard.stderr, /--observe-with-secrets/);
            assert.not(guard.stderr.includes(SECRET));
          },
        )
      ),
  ),
);

secrets(
  "--observe-with-secrets starts it all the same",
  limited(
    60_000,
    () =>
      withFile((file) =>
        withPuppet(
          { policy: policy(file, "mode: observe\n"), args: ["--observe-with-secrets"] },
          async (guard) => {
            await guard.call("echo", {});
            guard.end();
            await endOf(guard);
          },
        )
      ),
  ),
);

secrets(
  "a file that cannot be used is said at the start, and no server runs",
  limited(
    60_000,
    () =>
      withFile((file) =>
        withGuard(
          { policy: policy(`${file}-none`), server: [NODE, fixture("silent.mjs")] },
          async (guard) => {
            assert.is((await guard.exit).code, 1);
            assert.match(guard.stderr, /api-token-none/);
          },
        )
      ),
  ),
);
const TOOLS = '{"tools":[{"name":"get_token","inputSchema":{"type":"object"}},{"name":"echo"}]}';
const bootstrapped = (file: string) =>
  `version: 1\nname: puppet\nserver: {bootstrap_file: ${file}}\ndefault: allow\n`;

secrets(
  "server.bootstrap_file: the guard alone shows the server its own secret, whatever the client wrote",
  limited(
    60_000,
    () =>
      withFile((file) =>
        withPuppet({ policy: bootstrapped(file), answers: { "tools/list": TOOLS } }, async (guard) => {
          await guard.call("get_token", { bootstrap_secret: "guessed" });
          await guard.call("get_token");
          await guard.call("echo", { bootstrap_secret: "of another tool" });
          const calls = guard.received().map((line) => JSON.parse(line)).filter((it) =>
            it.method === "tools/call"
          );
          assert.equal(calls.map((it) => it.params.arguments), [
            { bootstrap_secret: SECRET },
            { bootstrap_secret: SECRET },
            { bootstrap_secret: "of another tool" },
          ]);
          assert.not(guard.stderr.includes(SECRET));
          assert.not(readFileSync(guard.auditFile, "utf8").includes(SECRET));
          assert.not(guard.lines.join().includes(SECRET));
        })
      ),
  ),
);

secrets(
  "server.bootstrap_file: while it cannot be read the call is refused, and goes on once the server has written it",
  limited(60_000, () =>
    withTempDir((folder) => {
      const file = join(folder, "later");
      return withPuppet({ policy: bootstrapped(file), answers: { "tools/list": TOOLS } }, async (guard) => {
        const refused = await guard.call("get_token");
        assert.is((refused["error"] as { code: number }).code, 1001);
        writeFileSync(file, SECRET, { mode: 0o600 });
        await guard.call("get_token");
        assert.is(guard.received().filter((line) => line.includes("tools/call")).length, 1);
      });
    })),
);
secrets.run();
