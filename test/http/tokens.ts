/** What tests of tokens over HTTP share: requests of other processes, and what became of secrets and tokens. */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { JsonRpc } from "../harness.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { type Answer, ask, INITIALIZE, type Listening, MEDIA } from "./listener.ts";

export const PUPPET: readonly string[] = [NODE, fixture("puppet.mjs"), "received"];
export const BOTH_ERAS: readonly string[] = [NODE, fixture("both-eras.mjs")];
export const LOOPBACK = "http://127.0.0.1:0";
export const JSON_ONLY = { "content-type": "application/json" } as const;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export const policy = (session: string, client = "uid: self"): string =>
  `version: 1\nname: puppet\nsession: {${session}}\nclients: [{name: me, ${client}}]\ndefault: allow\n`;
export const EARNED = "token: {issue: bootstrap}, bootstrap: {file: $PROJECT/secret}";

export const secretOf = (guard: Listening): string =>
  readFileSync(join(guard.folder, "secret"), "utf8").trim();

export interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export const askFor = (at: string | number, body: unknown = {}, headers: Record<string, string> = {}) =>
  ask(at, "POST", { ...JSON_ONLY, ...headers }, JSON.stringify(body), undefined, "/token");

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** The token of an answer that gives one. */
export function givenBy({ status, headers, body }: Answer): string {
  assert.is(status, 200, body);
  assert.is(headers["cache-control"], "no-store");
  const { access_token: token, token_type: type, expires_in: seconds } = JSON.parse(body) as JsonRpc;
  assert.is(type, "Bearer");
  assert.ok(Number.isInteger(seconds) && Number(seconds) > 0);
  assert.match(String(token), JWT);
  return String(token);
}

export function claimsOf(token: string): JsonRpc {
  assert.match(token, JWT);
  return JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as JsonRpc;
}

export function call(id: unknown, name: string, args: JsonRpc = {}): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } });
}

/** A session of the legacy era. @returns What each of its requests carries. */
export async function initialize(
  at: string | number,
  headers: Record<string, string> = {},
): Promise<Record<string, string>> {
  const opened = await ask(at, "POST", { ...MEDIA, ...headers }, INITIALIZE);
  assert.is(opened.status, 200, opened.body);
  assert.match(opened.body, /"result"/);
  const session = opened.headers["mcp-session-id"]!;
  return { ...MEDIA, ...headers, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
}

const VERSION = "2026-07-28";

/** A call of the modern era. */
export function callModern(at: string | number, headers: Record<string, string> = {}): Promise<Answer> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const params = { name: "echo", arguments: { message: "mine" }, _meta };
  const own = { "mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": "echo" };
  return ask(
    at,
    "POST",
    { ...MEDIA, ...own, ...headers },
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  );
}

const OTHER = `
  const http = require("node:http");
  const [at, requests] = JSON.parse(process.argv[1]);
  const to = typeof at === "string" ? { socketPath: at } : { host: "127.0.0.1", port: at };
  const host = typeof at === "string" ? "localhost" : "127.0.0.1:" + at;
  const ask = ({ method = "POST", path = "/mcp", headers = {}, body }) => new Promise((resolve) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const req = http.request({ ...to, agent: false, path, method, headers: { host, ...headers, ...length } }, (res) => {
      let text = "";
      res.on("data", (it) => text += it).on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: text }));
    });
    req.on("error", (error) => resolve({ status: 0, headers: {}, body: error.code }));
    req.end(body);
  });
  (async () => {
    const answers = [];
    for (const request of requests) answers.push(await ask(request));
    console.log(JSON.stringify(answers));
    process.exit();
  })();
`;

/** Requests of one other process of this user, one after the other. */
export async function askAsAnother(at: string | number, requests: readonly Request[]): Promise<Answer[]> {
  const child = spawn(NODE, ["-e", OTHER, JSON.stringify([at, requests])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(said) as Answer[];
}

export const asking = (body: unknown): Request => ({
  path: "/token",
  headers: JSON_ONLY,
  body: JSON.stringify(body),
});

/** Refusals in the log: code and first reason. */
export const refusals = (guard: Listening): string[] =>
  guard.records().filter((it) => it["type"] === "peer-refused").map((it) => {
    const { code, reasons } = it["detail"] as { code: string; reasons: string[] };
    return `${code} ${reasons[0]}`;
  });

export const notices = (guard: Listening): unknown[] =>
  guard.records().filter((it) => it["type"] === "notice").map((it) => (it["detail"] as JsonRpc)["bootstrap"])
    .filter((it) => it !== undefined);

export const endings = (guard: Listening): unknown[] =>
  guard.records().filter((it) => it["type"] === "session-end").map((it) =>
    (it["detail"] as JsonRpc)["reason"]
  );

/** Nothing that was said aloud or written down holds any of these. */
export function assertUntold(guard: Listening, ...texts: readonly string[]): void {
  for (const text of texts) {
    assert.not(readFileSync(guard.audit, "utf8").includes(text));
    assert.not(guard.stderr().includes(text));
  }
}
