/** Requests of a client that is admitted for what it runs: which of them were certainly its own. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withTempDir } from "../harness.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { withListener } from "./listener.ts";

/** Makes each request that it is given on a connection of its own, one after the other, and prints the answers. */
const CLIENT = `
  const http = require("node:http");
  const [path, ...requests] = process.argv.slice(2).map((it, at) => at === 0 ? it : JSON.parse(it));
  const session = {};
  const ask = ({ path: at = "/mcp", headers, body }) => new Promise((resolve) => {
    const req = http.request({ socketPath: path, path: at, method: "POST", agent: false,
      headers: { host: "localhost", "content-length": Buffer.byteLength(body), ...headers, ...session } }, (res) => {
      if (res.headers["mcp-session-id"]) session["mcp-session-id"] = res.headers["mcp-session-id"];
      let text = "";
      res.on("data", (it) => text += it).on("end", () => resolve(text));
    });
    req.on("error", (error) => resolve(error.code));
    req.end(body);
  });
  (async () => {
    const answers = [];
    for (const request of requests) answers.push(await ask(request));
    console.log(JSON.stringify(answers));
    process.exit();
  })();
`;

const measured = suite("HTTP, measured clients");

const VERSION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientCapabilities": {},
};
const media = { "content-type": "application/json", accept: "application/json, text/event-stream" };

function modern(method: string, params: Readonly<Record<string, unknown>> = {}) {
  const name = params["name"] === undefined ? {} : { "mcp-name": params["name"] };
  return {
    headers: { ...media, "mcp-protocol-version": VERSION, "mcp-method": method, ...name },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } }),
  };
}

function legacy(method: string, params: unknown, id: number | undefined = 1) {
  return { headers: media, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }) };
}

const ECHO = { name: "echo", arguments: { message: "mine" } };

async function answersOf(requests: readonly unknown[], server: string, session = ""): Promise<string[]> {
  return await withTempDir(async (folder) => {
    const script = join(folder, "client.cjs");
    writeFileSync(script, CLIENT, { mode: 0o600 });
    const program = spawnSync(NODE, ["-p", "process.execPath"], { encoding: "utf8" }).stdout.trim();
    const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
    const policy =
      `version: 1\nname: t\n${session}default: allow\nclients:\n  - name: script\n    grade: heuristic\n` +
      `    executable: { sha256: ${sha256(program)} }\n    script: { sha256: ${sha256(script)} }\n`;
    return await withListener({ server: [NODE, fixture(server), "/dev/null"], policy }, async (guard) => {
      const args = [script, String(guard.at), ...requests.map((it) => JSON.stringify(it))];
      const { NODE_OPTIONS: _, ...env } = process.env;
      const child = spawn(NODE, args, { stdio: ["ignore", "pipe", "inherit"], env });
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
      await new Promise((resolve) => child.once("close", resolve));
      return JSON.parse(said) as string[];
    });
  });
}

measured(
  "a request with an effect, sent before its process was measured, is asked for again",
  limited(60_000, async () => {
    const [first, second] = await answersOf(
      [modern("tools/call", ECHO), modern("tools/call", ECHO)],
      "both-eras.mjs",
    );
    assert.match(first!, /"code":1004.*send it again/);
    assert.match(second!, /mine/, "the process is known by then, and this connection is younger");
  }),
);

measured(
  "a modern client that begins with the probe calls on further connections at once",
  limited(60_000, async () => {
    const requests = [modern("server/discover"), modern("tools/call", ECHO), modern("tools/call", ECHO)];
    const [, ...calls] = await answersOf(requests, "both-eras.mjs");
    for (const answer of calls) assert.match(answer, /mine/);
  }),
);

measured(
  "a session id proves that its client was measured before",
  limited(60_000, async () => {
    const opening = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "x", version: "1" },
    };
    const requests = [
      legacy("initialize", opening, 0),
      legacy("tools/call", ECHO),
      legacy("tools/call", ECHO, 2),
    ];
    const [, ...calls] = await answersOf(requests, "puppet.mjs");
    for (const answer of calls) assert.match(answer, /mine/);
  }),
);

measured(
  "a token is given to nobody who asked before it was measured, and then at once",
  limited(60_000, async () => {
    const asked = { path: "/token", headers: media, body: "{}" };
    const issued = "session: {token: {issue: initialize}}\n";
    const [first, second] = await answersOf([asked, asked], "puppet.mjs", issued);
    assert.match(first!, /"code":1004.*send it again/);
    assert.match(second!, /"access_token"/);
  }),
);

measured.run();
