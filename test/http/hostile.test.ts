/** What should not be served: web pages, two readings of one request, other processes and users, those who wait. */
import { spawn } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, skipUnless, waitUntil } from "../harness.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { ask, exchangeBytes, INITIALIZE, type Listening, MEDIA, withListener } from "./listener.ts";

const PUPPET = [NODE, fixture("puppet.mjs"), "/dev/null"];
const ME = "version: 1\nname: t\ndefault: allow\nclients:\n  - { name: me, proof: not-required }\n";
const TCP = { server: PUPPET, policy: ME, listen: "http://127.0.0.1:0" };
const UNIX = { server: PUPPET };

const hostile = suite("HTTP, hostile");

function reasons(guard: Listening): unknown[] {
  return guard.records().filter((it) => it["type"] === "peer-refused").map((it) =>
    (it["detail"] as { reasons: unknown[] }).reasons[0]
  );
}

const pages: readonly {
  readonly title: string;
  readonly headers: Record<string, string>;
  readonly status: number;
}[] = [
  { title: "a foreign origin", headers: { origin: "http://evil.example" }, status: 403 },
  { title: "an opaque origin", headers: { origin: "null" }, status: 403 },
  { title: "an origin of another port", headers: { origin: "http://127.0.0.1:1" }, status: 403 },
  { title: "a name that was made to lead here", headers: { host: "evil.example" }, status: 403 },
  { title: "a name that begins like ours", headers: { host: "127.0.0.1.evil.example" }, status: 403 },
  { title: "user and host", headers: { host: "localhost@evil.example" }, status: 403 },
  {
    title: "a page of another site that sends no origin",
    headers: { "sec-fetch-site": "cross-site" },
    status: 403,
  },
];

for (const options of [TCP, UNIX]) {
  const where = options === TCP ? "on loopback" : "at a Unix socket";
  hostile(
    `what a web page may send is refused ${where}, and recorded`,
    limited(60_000, () =>
      withListener(options, async (guard) => {
        for (const { title, headers, status } of pages) {
          const answer = await ask(guard.at, "POST", { ...MEDIA, ...headers }, INITIALIZE);
          assert.is(answer.status, status, title);
          assert.not("access-control-allow-origin" in answer.headers, title);
          assert.match(answer.body, /\(mcp-guard [^)]+\)/, title);
        }
        const preflight = await ask(guard.at, "OPTIONS", {
          origin: `http://${options === TCP ? `127.0.0.1:${guard.at}` : "localhost"}`,
          "access-control-request-method": "POST",
        });
        assert.is(preflight.status, 405);
        await waitUntil(() => reasons(guard).length === pages.length);
        assert.equal(new Set(reasons(guard)), new Set(["http:cross-site", "http:host", "http:origin"]));
        assert.is((await ask(guard.at, "POST", MEDIA, INITIALIZE)).status, 200);
      })),
  );
}

hostile(
  "our own origin on another door's port is foreign, and the port belongs to the name",
  limited(60_000, () =>
    withListener(TCP, async (guard) => {
      for (const host of ["localhost", "127.0.0.1", "127.0.0.1:1", "localhost:80"]) {
        assert.is((await ask(guard.at, "POST", { ...MEDIA, host }, INITIALIZE)).status, 403, host);
      }
      for (const host of [`localhost:${guard.at}`, `LOCALHOST:${guard.at}`, `[::1]:${guard.at}`]) {
        assert.is((await ask(guard.at, "POST", { ...MEDIA, host }, INITIALIZE)).status, 200, host);
      }
    })),
);

const HEAD = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
  "Accept: application/json, text/event-stream\r\n";
const LENGTH = `Content-Length: ${INITIALIZE.length}\r\n`;
const SECOND = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

const raw: readonly {
  readonly title: string;
  readonly bytes: string;
  readonly status: RegExp;
  readonly answers?: number;
}[] = [
  {
    title: "a body that waits to be asked for",
    bytes: `${HEAD}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n[]`,
    status: / 100 Continue\r\n\r\nHTTP\/1\.1 400 /,
    answers: 2,
  },
  {
    title: "a body that nobody wants",
    bytes: `${HEAD}Expect: 100-continue\r\nContent-Length: 99\r\n\r\n`.replace("/json\r", "/xml\r"),
    status: / 415 /,
  },
  {
    title: "no host",
    bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`.replace("Host: localhost\r\n", ""),
    status: / 403 /,
  },
  { title: "as it should be", bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`, status: / 200 / },
  {
    title: "a length and a coding",
    bytes: `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECOND}`,
    status: / 400 /,
  },
  {
    title: "a coding and a length",
    bytes: `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SECOND}`,
    status: / 400 /,
  },
  { title: "two lengths", bytes: `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, status: / 400 / },
  {
    title: "two codings",
    bytes: `${HEAD}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
    status: / (400|501) /,
  },
  { title: "an unknown coding", bytes: `${HEAD}Transfer-Encoding: gzip\r\n\r\nab`, status: /^$| (400|501) / },
  {
    title: "a coding that hides",
    bytes: `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    status: / 400 /,
  },
  {
    title: "bare line feeds",
    bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`.replaceAll("\r\n", "\n"),
    status: / 400 /,
  },
  { title: "a folded line", bytes: `${HEAD}X: a\r\n b\r\n${LENGTH}\r\n${INITIALIZE}`, status: / 400 / },
  { title: "a NUL in a header", bytes: `${HEAD}X: a\0b\r\n${LENGTH}\r\n${INITIALIZE}`, status: / 400 / },
  { title: "two hosts", bytes: `${HEAD}Host: evil.example\r\n${LENGTH}\r\n${INITIALIZE}`, status: / 400 / },
  {
    title: "two session ids",
    bytes: `${HEAD}Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n${LENGTH}\r\n${INITIALIZE}`,
    status: / 400 /,
  },
  {
    title: "HTTP/1.0",
    bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`.replace("HTTP/1.1", "HTTP/1.0"),
    status: / 505 /,
  },
  {
    title: "a whole URL",
    bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`.replace("/mcp", "http://evil.example/mcp"),
    status: / 404 /,
  },
  {
    title: "another path",
    bytes: `${HEAD}${LENGTH}\r\n${INITIALIZE}`.replace("/mcp", "/mcp/../mcp"),
    status: / 404 /,
  },
  {
    title: "a GET with a body",
    bytes: `GET /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`,
    status: / 400 /,
    answers: 1,
  },
  {
    title: "a large header",
    bytes: `${HEAD}X: ${"x".repeat(20_000)}\r\n${LENGTH}\r\n${INITIALIZE}`,
    status: / 431 /,
  },
  {
    title: "many headers",
    bytes: `${HEAD}${"X: y\r\n".repeat(9000)}${LENGTH}\r\n${INITIALIZE}`,
    status: / 431 /,
  },
  { title: "no HTTP", bytes: `${INITIALIZE}\n`, status: / 400 / },
  { title: "TLS", bytes: "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", status: / 400 / },
  { title: "a tunnel", bytes: "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", status: /^$/ },
  {
    title: "an upgrade",
    bytes: "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    status: / 406 /,
  },
  { title: "HTTP/2", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: / (400|505) / },
  { title: "too long a body", bytes: `${HEAD}Content-Length: 99999999\r\n\r\n`, status: / 413 / },
];

hostile(
  "a request that can be read in two ways is not served, and nothing behind it is",
  limited(90_000, () =>
    withListener(UNIX, async (guard) => {
      for (const { title, bytes, status, answers = 1 } of raw) {
        const { text } = await exchangeBytes(
          guard.at,
          [Buffer.from(bytes, "latin1")],
          title === "as it should be" ? 3000 : 300,
        );
        assert.match(text.slice(0, 60), status, title);
        assert.ok((text.match(/HTTP\/1\.1 \d/g) ?? []).length <= answers, `${title}: ${text}`);
      }
    })),
);

hostile(
  "a chunked body is cut at the limit, and several requests at once are answered in order",
  limited(60_000, () =>
    withListener({ ...UNIX, args: ["--max-line", "2048"] }, async (guard) => {
      const chunk = "400\r\n" + "x".repeat(0x400) + "\r\n";
      const long = await exchangeBytes(guard.at, [
        `${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
      ], 300);
      assert.match(long.text, / 413 /);
      assert.ok(long.closed);
      const one = `${HEAD}${LENGTH}\r\n${INITIALIZE}`;
      const two = await exchangeBytes(guard.at, [one + one], 1500);
      assert.is((two.text.match(/HTTP\/1\.1 200 OK/g) ?? []).length, 2);
    })),
);

hostile(
  "who does not finish a request does not hold a connection",
  limited(90_000, () =>
    withListener(UNIX, async (guard) => {
      const began = Date.now();
      const [slow, drip] = await Promise.all([
        exchangeBytes(guard.at, ["POST /mcp HT"], 20_000),
        exchangeBytes(guard.at, Array.from({ length: 600 }, (_, at) => at === 0 ? HEAD : "X: y\r\n"), 20_000),
      ]);
      assert.ok(slow.closed && drip.closed);
      assert.ok(Date.now() - began < 30_000);
    })),
);

hostile(
  "a session that another process shows is not found, and its server hears nothing",
  limited(60_000, () =>
    withListener(UNIX, async (guard) => {
      const { headers } = await ask(guard.at, "POST", MEDIA, INITIALIZE);
      const id = headers["mcp-session-id"]!;
      const ping = JSON.stringify({ jsonrpc: "2.0", id: 5, method: "ping" });
      for (const method of ["POST", "GET", "DELETE"]) {
        assert.is(await askAsAnother(guard, method, { ...MEDIA, "mcp-session-id": id }, ping), "404", method);
      }
      assert.is((await ask(guard.at, "POST", { ...MEDIA, "mcp-session-id": id }, ping)).status, 200);
      await waitUntil(() => reasons(guard).length === 3);
      assert.equal([...new Set(reasons(guard))], ["http:session-of-another"]);
      assert.not(JSON.stringify(guard.records()).includes(id));
    })),
);

/** The same request from a process of its own. @returns The status. */
async function askAsAnother(
  { at }: Listening,
  method: string,
  headers: Record<string, string>,
  body: string,
): Promise<string> {
  const script = `
    const [at, method, headers, body] = JSON.parse(process.argv[1]);
    const to = typeof at === "string" ? { socketPath: at } : { host: "127.0.0.1", port: at };
    const host = typeof at === "string" ? "localhost" : "127.0.0.1:" + at;
    const post = method === "POST";
    const length = post ? { "content-length": body.length } : {};
    const req = require("http").request({ ...to, path: "/mcp", method, headers: { host, ...headers, ...length } });
    req.on("response", (res) => { console.log(res.statusCode); process.exit(); });
    req.on("error", (error) => { console.log(error.code); process.exit(); });
    req.end(post ? body : undefined);
  `;
  const child = spawn(NODE, ["-e", script, JSON.stringify([at, method, headers, body])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
  await new Promise((resolve) => child.once("close", resolve));
  return said.trim();
}

hostile(
  "a session goes with the process that made it",
  limited(60_000, () =>
    withListener(UNIX, async (guard) => {
      assert.is(await askAsAnother(guard, "POST", MEDIA, INITIALIZE), "200");
      await waitUntil(() => guard.records().some((it) => it["type"] === "session-end"), 10_000);
      const [end] = guard.records().filter((it) => it["type"] === "session-end") as { detail: JsonRpc }[];
      assert.is(end!.detail["reason"], "peer-gone");
    })),
);

hostile(
  "over TCP nobody is let in without a token, but for an entry that waives the proof in so many words",
  limited(60_000, async () => {
    const entry = (text: string) => `version: 1\nname: t\ndefault: allow\nclients:\n  - ${text}\n`;
    const policies = [
      undefined,
      entry("{ name: me }"),
      entry("{ name: other, uid: 54321, proof: not-required }"),
    ];
    for (const policy of policies) {
      await withListener({
        ...TCP,
        ...(policy === undefined ? { policy: "version: 1\nname: t\ndefault: allow\n" } : { policy }),
      }, async (guard) => {
        const answer = await ask(guard.at, "POST", MEDIA, INITIALIZE);
        assert.is(answer.status, 401, policy ?? "");
        assert.match(answer.headers["www-authenticate"]!, /^Bearer/);
        const token = await ask(guard.at, "POST", { ...MEDIA, authorization: "Bearer x" }, INITIALIZE);
        assert.is(token.status, 401);
      });
    }
    await withListener(TCP, async (guard) => {
      assert.is((await ask(guard.at, "POST", MEDIA, INITIALIZE)).status, 200);
      // A token that is wrong is not made good by the socket.
      assert.is(
        (await ask(guard.at, "POST", { ...MEDIA, authorization: "Bearer x" }, INITIALIZE)).status,
        401,
      );
      await waitUntil(() => guard.records().some((it) => it["type"] === "session-start"));
      const [start] = guard.records().filter((it) => it["type"] === "session-start") as { who: JsonRpc }[];
      assert.equal(
        [start!.who["transport"], start!.who["uid"], start!.who["uid_grade"], start!.who["pid_grade"]],
        ["tcp", process.getuid?.(), "kernel", "heuristic"],
      );
    });
  }),
);

hostile(
  "another user of the machine is not let in over TCP",
  limited(60_000, () =>
    withListener(TCP, async (guard) => {
      if (skipUnless(process.getuid?.() === 0, "needs root")) return;
      const script = `
        const req = require("http").request({ host: "127.0.0.1", port: process.argv[1], path: "/mcp", method: "POST",
          headers: { host: "127.0.0.1:" + process.argv[1], ...JSON.parse(process.argv[2]) } });
        req.on("response", (res) => { console.log(res.statusCode); process.exit(); });
        req.end(process.argv[3]);
      `;
      const ids = ["--reuid=54399", "--regid=54399", "--clear-groups"];
      const stranger = spawn("setpriv", [
        ...ids,
        NODE,
        "-e",
        script,
        String(guard.at),
        JSON.stringify(MEDIA),
        INITIALIZE,
      ], {
        stdio: ["ignore", "pipe", "ignore"],
        cwd: "/",
        env: { PATH: process.env["PATH"] },
      });
      let said = "";
      stranger.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
      await new Promise((resolve) => stranger.once("close", resolve));
      if (skipUnless(said !== "", "another user cannot run node, or setpriv(1) is missing")) return;
      assert.is(said.trim(), "401");
      assert.equal(guard.records().filter((it) => it["type"] === "session-start"), []);
    })),
);

hostile(
  "a door beyond loopback is not opened by accident",
  limited(60_000, async () => {
    await withListener({ ...TCP, listen: "http://0.0.0.0:0" }, async (guard) => {
      assert.is(await guard.exit, 1);
      assert.match(guard.stderr(), /it is not loopback.*ERR_SOCKET_UNSAFE/);
    });
    await withListener(
      { ...TCP, listen: "http://0.0.0.0:0", args: ["--allow-remote", "guard.example"] },
      async (guard) => {
        const named = await ask(guard.at, "POST", {
          ...MEDIA,
          host: "guard.example",
          origin: "https://guard.example",
        }, INITIALIZE);
        assert.is(named.status, 200);
        assert.is((await ask(guard.at, "POST", { ...MEDIA, host: "evil.example" }, INITIALIZE)).status, 403);
      },
    );
  }),
);

hostile.run();
