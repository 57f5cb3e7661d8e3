/** The control socket: whom it answers, what it answers, and where it lies. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, skipUnless, waitUntil, withTempDir } from "../harness.ts";
import { open, withListener } from "../sessions/listening.ts";
import { endOf, NODE, withPuppet } from "../sessions/puppet.ts";
import { ask, names, ownControlFolder, socketOf, typed } from "./asked.ts";

const FOLDER = ownControlFolder();
const POLICY = "version: 1\nname: puppet\ndefault: allow\n";

const control = suite("the control socket");

control(
  "lies in a folder of the account's own, and goes with its guard",
  limited(60_000, async () => {
    await withListener(async (guard) => {
      const path = await socketOf(FOLDER, guard.pid);
      assert.is(path, join(FOLDER, `puppet-${guard.pid}.sock`));
      assert.is(statSync(path).mode & 0o777, 0o600);
      assert.is(statSync(FOLDER).mode & 0o777, 0o700);
    }, { policy: POLICY });
    assert.equal(names(FOLDER), []);
  }),
);

control(
  "of a guard of standard streams goes, too, when its client leaves, and when it is killed",
  limited(60_000, async () => {
    for (const end of ["leaves", "kills"]) {
      await withPuppet({ policy: POLICY }, async (guard) => {
        const path = await socketOf(FOLDER, guard.pid);
        if (end === "leaves") guard.end();
        else guard.kill("SIGKILL");
        await endOf(guard);
        await waitUntil(() => !existsSync(path));
      });
    }
  }),
);

for (
  const [title, method, path, options, status, said] of [
    ["an unknown path", "GET", "/", {}, 404, /Not found/],
    ["an unknown session", "DELETE", "/sessions/abc", {}, 404, /No such session/],
    ["a session's path with more behind it", "DELETE", "/sessions/abc/x", {}, 404, /Not found/],
    ["a query", "GET", "/sessions?x=1", {}, 404, /Not found/],
    ["another method", "POST", "/sessions", {}, 405, /Method/],
    ["the name of an object's own field as method", "CONSTRUCTOR", "/metrics", {}, 400, /^/],
    ["reload by GET, which a link would send", "GET", "/reload", {}, 405, /Method/],
    ["a page's origin", "POST", "/reload", { headers: { origin: "http://evil.example" } }, 403, /Origin/],
    ["a page's own name for us", "GET", "/sessions", { headers: { host: "evil.example" } }, 403, /Host/],
    [
      "a page of another site",
      "GET",
      "/sessions",
      { headers: { "sec-fetch-site": "cross-site" } },
      403,
      /Origin/,
    ],
    ["a body", "POST", "/reload", { body: "{}" }, 400, /body/],
    [
      "a chunked body",
      "POST",
      "/reload",
      { headers: { "transfer-encoding": "chunked" }, body: "x" },
      400,
      /body/,
    ],
    ["keys where no tokens are issued", "GET", "/jwks.json", {}, 404, /No tokens/],
  ] as const
) {
  control(
    `${title}: ${status}`,
    limited(60_000, () =>
      withListener(async (guard) => {
        const socket = await socketOf(FOLDER, guard.pid);
        const answer = await ask(socket, method, path, options);
        assert.is(answer.status, status);
        assert.match(answer.text, said);
        assert.equal(
          guard.records().filter((it) => it["type"] === "control" || it["type"] === "policy-loaded"),
          [],
        );
        // It goes on.
        assert.is((await ask(socket, "GET", "/sessions")).status, 200);
      }, { policy: POLICY })),
  );
}

control(
  "the public keys of tokens, and nothing of the private one",
  limited(60_000, () =>
    withListener(async (guard) => {
      const { status, text } = await ask(await socketOf(FOLDER, guard.pid), "GET", "/jwks.json");
      assert.is(status, 200);
      const [key] = (JSON.parse(text) as { keys: JsonRpc[] }).keys;
      assert.is(key!["crv"], "P-256");
      assert.is(key!["d"], undefined);
    }, { policy: `${POLICY}session: {token: {issue: initialize}}\n` })),
);

control(
  "another account is told nothing, even where the folders let it through, and is recorded",
  limited(60_000, () =>
    withListener(async (guard) => {
      if (skipUnless(process.getuid?.() === 0, "needs root")) return;
      const path = join(guard.folder, "control", "c.sock");
      for (const folder of [guard.folder, dirname(path)]) chmodSync(folder, 0o711);
      chmodSync(path, 0o666);
      const script = `
        const socket = require("net").connect(process.argv[1]);
        socket.on("connect", () => socket.write("GET /sessions HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"));
        let bytes = 0;
        socket.on("data", (it) => bytes += it.length).on("error", () => {}).on("close", () => console.log(bytes));
      `;
      const ids = ["--reuid=54399", "--regid=54399", "--clear-groups"];
      const stranger = spawn("setpriv", [...ids, NODE, "-e", script, path], {
        stdio: ["ignore", "pipe", "ignore"],
        cwd: "/",
        env: { PATH: process.env["PATH"] },
      });
      let said = "";
      stranger.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
      await new Promise((resolve) => stranger.once("close", resolve));
      if (skipUnless(said !== "", "another user cannot run node, or setpriv(1) is missing")) return;
      assert.is(said.trim(), "0");
      const [refused] = guard.records().filter((it) => it["type"] === "peer-refused") as { who: JsonRpc }[];
      assert.is(refused!.who["uid"], 54399);
      // To us it answers there as ever.
      assert.is((await ask(path, "GET", "/sessions")).status, 200);
    }, { policy: POLICY, args: (folder) => ["--control", join(folder, "control", "c.sock")] })),
);

control(
  "--control puts it elsewhere, and the commands find it there",
  limited(60_000, () =>
    withListener(async (guard) => {
      const path = join(guard.folder, "control", "c.sock");
      assert.match((await typed("sessions", path)).out, /puppet/);
      assert.match((await typed("reload", path)).out, /the same policy/);
      assert.equal(names(FOLDER), []);
      assert.is((await typed("sessions")).err, "mcp-guard: No guard runs\n");
    }, { policy: POLICY, args: (folder) => ["--control", join(folder, "control", "c.sock")] })),
);

control(
  "--no-control: there is none",
  limited(60_000, () =>
    withListener(async (guard) => {
      (await open(guard.path)).socket.destroy();
      assert.equal(names(FOLDER), []);
    }, { policy: POLICY, args: () => ["--no-control"] })),
);

control(
  "where its folder is not safe the guard says so, and goes on without",
  limited(60_000, async () => {
    mkdirSync(FOLDER, { recursive: true });
    chmodSync(FOLDER, 0o777);
    try {
      await withListener(async (guard) => {
        await waitUntil(() => /There is no control socket: /.test(guard.stderr()));
        (await open(guard.path)).socket.destroy();
        assert.is((await typed("sessions")).code, 1);
      }, { policy: POLICY });
    } finally {
      chmodSync(FOLDER, 0o700);
    }
  }),
);

/** A socket's file with nobody behind it, as a killed guard leaves it. */
async function deserted(path: string, ageSeconds: number): Promise<void> {
  const script =
    "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  const child = spawn(NODE, ["-e", script, path], { stdio: "ignore" });
  await new Promise((resolve) => child.once("close", resolve));
  const then = Date.now() / 1000 - ageSeconds;
  utimesSync(path, then, then);
}

control(
  "the next guard removes what killed ones left, and nothing that may be somebody's",
  limited(60_000, async () => {
    mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
    const at = (name: string) => join(FOLDER, name);
    await deserted(at("old-1.sock"), 60);
    await deserted(at("young-2.sock"), 0);
    const live = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => live.listen(at("live-3.sock"), resolve));
    utimesSync(at("live-3.sock"), 1, 1);
    writeFileSync(at("file-4.sock"), "");
    utimesSync(at("file-4.sock"), 1, 1);
    symlinkSync(at("young-2.sock"), at("link-5.sock"));
    try {
      await withListener(async (guard) => {
        const left = names(FOLDER).filter((name) => !name.includes(String(guard.pid)));
        assert.equal([...left].sort(), ["file-4.sock", "link-5.sock", "live-3.sock", "young-2.sock"]);
        // Whoever does not answer is named, and the others are shown.
        const { code, out, err } = await typed("sessions");
        assert.is(code, 1);
        assert.match(out, /^puppet/);
        assert.match(err, /^mcp-guard: No answer at '\S+live-3\.sock': .+\n$/);
      }, { policy: POLICY });
    } finally {
      live.close();
      for (const name of names(FOLDER)) unlinkSync(at(name));
    }
  }),
);

control(
  "a path that leads elsewhere is not asked, wherever it leads",
  limited(60_000, () =>
    withListener((guard) =>
      withTempDir(async (folder) => {
        const path = await socketOf(FOLDER, guard.pid);
        const link = join(folder, "l.sock");
        symlinkSync(path, link);
        const open = join(folder, "open");
        mkdirSync(open);
        chmodSync(open, 0o777);
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(join(open, "s.sock"), resolve));
        try {
          for (const socket of [link, join(open, "s.sock"), "/dev/null"]) {
            const { code, err } = await typed("sessions", socket);
            assert.is(code, 1, socket);
            assert.match(err, /ERR_SOCKET_UNSAFE|no socket of ours/, socket);
          }
        } finally {
          server.close();
        }
      }), { policy: POLICY })),
);

control.run();
