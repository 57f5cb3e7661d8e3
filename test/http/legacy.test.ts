/** Streamable HTTP of the legacy era at a Unix socket: the official client, and the specification's letters. */
import { Agent } from "node:http";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "../sessions/audit-command.ts";
import { descendantsOf } from "../sessions/processes.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { ask, fetchVia, INITIALIZE, type Listening, MEDIA, openEvents, withListener } from "./listener.ts";

const PUPPET = { server: [NODE, fixture("puppet.mjs"), "/dev/null"] };
const CONFORMANCE = { server: [NODE, "test/external/conformance/server.mjs"].map(absolute) };

function absolute(path: string): string {
  return path.endsWith(".mjs") ? `${process.cwd()}/${path}` : path;
}

const legacy = suite("HTTP, legacy era");

async function initialize(guard: Listening, agent?: Agent): Promise<Record<string, string>> {
  const { status, headers } = await ask(guard.at, "POST", MEDIA, INITIALIZE, agent);
  assert.is(status, 200);
  const session = headers["mcp-session-id"]!;
  assert.match(session, /^[\x21-\x7e]{40,}$/);
  const own = { ...MEDIA, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
  const told = await ask(guard.at, "POST", own, rpc(undefined, "notifications/initialized"), agent);
  assert.equal([told.status, told.body], [202, ""]);
  return own;
}

function rpc(id: unknown, method: string, params?: JsonRpc): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

function call(id: unknown, name: string, args: JsonRpc = {}, meta?: JsonRpc): string {
  return rpc(id, "tools/call", { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) });
}

legacy(
  "the official client calls a tool, is asked, and ends its session",
  limited(60_000, () =>
    withListener(CONFORMANCE, async (guard) => {
      const agent = new Agent({ keepAlive: true });
      const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
        fetch: fetchVia(guard.at, agent),
      });
      const client = new Client({ name: "t", version: "1" }, { capabilities: { elicitation: {} } });
      client.setRequestHandler(ElicitRequestSchema, () => ({
        action: "accept",
        content: { username: "me", email: "me@example.org" },
      }));
      await client.connect(transport as never);
      assert.ok((await client.listTools()).tools.some(({ name }) => name === "test_elicitation"));
      let progressed = 0;
      await client.callTool({ name: "test_tool_with_progress" }, undefined, {
        onprogress: () => progressed++,
      });
      assert.is(progressed, 3);
      const asked = await client.callTool({ name: "test_elicitation", arguments: { message: "Who?" } });
      assert.match(JSON.stringify(asked.content), /action=accept.*example\.org/);
      await transport.terminateSession();
      await client.close();
      agent.destroy();
      await waitUntil(() => guard.records().some((it) => it["type"] === "session-end"));
      await verifyUnaltered(guard.audit);
    })),
);

legacy(
  "sessions of one process with equal ids hear only their own answers",
  limited(60_000, () =>
    withListener(PUPPET, async (guard) => {
      const sessions = await Promise.all([initialize(guard), initialize(guard), initialize(guard)]);
      await Promise.all(sessions.flatMap((headers, who) =>
        Array.from({ length: 20 }, async (_, id) => {
          const text = `${who}-${id}`;
          const answer = await ask(guard.at, "POST", headers, call(id, "echo", { text }));
          assert.is(answer.status, 200);
          const { id: own, result } = JSON.parse(answer.body) as {
            id: number;
            result: { content: { text: string }[] };
          };
          assert.equal([own, JSON.parse(result.content[0]!.text)], [id, { text }]);
        })
      ));
    })),
);

legacy(
  "an ended session is found by nobody, and its server is gone",
  limited(60_000, () =>
    withListener(PUPPET, async (guard) => {
      const headers = await initialize(guard);
      assert.is((await ask(guard.at, "DELETE", headers)).status, 200);
      assert.is((await ask(guard.at, "POST", headers, rpc(1, "ping"))).status, 404);
      assert.is((await ask(guard.at, "GET", headers)).status, 404);
      assert.is((await ask(guard.at, "DELETE", headers)).status, 404);
      await waitUntil(() => descendantsOf(guard.pid).length === 0, 10_000);
    })),
);

legacy(
  "a server that ends takes its session with it, and who waited is told",
  limited(60_000, () =>
    withListener(PUPPET, async (guard) => {
      const headers = await initialize(guard);
      const answer = await ask(guard.at, "POST", headers, call(1, "exit", { code: 0 }));
      assert.match(answer.body, /"id":1,"error":\{"code":1005/);
      await waitUntil(async () => (await ask(guard.at, "POST", headers, rpc(2, "ping"))).status === 404);
    })),
);

const letters: readonly {
  readonly title: string;
  readonly method: string;
  readonly headers: Record<string, string | undefined>;
  readonly body?: string;
  readonly status: number;
  readonly code?: number;
}[] = [
  {
    title: "no session id",
    method: "POST",
    headers: { "mcp-session-id": undefined },
    body: rpc(1, "ping"),
    status: 400,
  },
  {
    title: "an unknown session id",
    method: "POST",
    headers: { "mcp-session-id": "x" },
    body: rpc(1, "ping"),
    status: 404,
  },
  {
    title: "an unknown version",
    method: "POST",
    headers: { "mcp-protocol-version": "1999-01-01" },
    body: rpc(1, "ping"),
    status: 400,
  },
  {
    title: "no version",
    method: "POST",
    headers: { "mcp-protocol-version": undefined },
    body: rpc(1, "ping"),
    status: 200,
  },
  {
    title: "text",
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: rpc(1, "ping"),
    status: 415,
  },
  {
    title: "a form",
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: rpc(1, "ping"),
    status: 415,
  },
  {
    title: "a type that begins like JSON",
    method: "POST",
    headers: { "content-type": "application/json-seq" },
    body: rpc(1, "ping"),
    status: 415,
  },
  {
    title: "a charset",
    method: "POST",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: rpc(1, "ping"),
    status: 200,
  },
  {
    title: "another charset",
    method: "POST",
    headers: { "content-type": "application/json; charset=utf-16" },
    body: rpc(1, "ping"),
    status: 415,
  },
  {
    title: "a packed body",
    method: "POST",
    headers: { "content-encoding": "gzip" },
    body: rpc(1, "ping"),
    status: 415,
  },
  {
    title: "JSON only",
    method: "POST",
    headers: { accept: "application/json" },
    body: rpc(1, "ping"),
    status: 406,
  },
  {
    title: "no events",
    method: "POST",
    headers: { accept: "application/json, text/event-stream;q=0" },
    body: rpc(1, "ping"),
    status: 406,
  },
  { title: "anything", method: "POST", headers: { accept: "*/*" }, body: rpc(1, "ping"), status: 200 },
  { title: "a GET without events", method: "GET", headers: { accept: "application/json" }, status: 406 },
  { title: "PUT", method: "PUT", headers: {}, status: 405 },
  {
    title: "OPTIONS, as a page asks before it may send JSON",
    method: "OPTIONS",
    headers: { origin: "http://localhost" },
    status: 405,
  },
  { title: "no JSON", method: "POST", headers: {}, body: "{", status: 400, code: -32700 },
  { title: "nothing", method: "POST", headers: {}, body: " ", status: 400, code: -32700 },
  { title: "a batch", method: "POST", headers: {}, body: `[${rpc(1, "ping")}]`, status: 400, code: -32600 },
  {
    title: "two messages",
    method: "POST",
    headers: {},
    body: `${rpc(1, "ping")}\n${rpc(2, "ping")}`,
    status: 400,
    code: -32600,
  },
  {
    title: "a key twice",
    method: "POST",
    headers: {},
    body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}',
    status: 400,
    code: -32600,
  },
  {
    title: "a line end in a string",
    method: "POST",
    headers: {},
    body: '{"jsonrpc":"2.0","id":1,"method":"pi\nng"}',
    status: 400,
    code: -32700,
  },
  {
    title: "an answer that nobody asked for",
    method: "POST",
    headers: {},
    body: '{"jsonrpc":"2.0","id":9,"result":{}}',
    status: 202,
  },
  {
    title: "an unknown method",
    method: "POST",
    headers: {},
    body: rpc(1, "no/such"),
    status: 200,
    code: -32601,
  },
  {
    title: "JSON on several lines",
    method: "POST",
    headers: {},
    body: JSON.stringify(JSON.parse(rpc(1, "ping")), null, 2),
    status: 200,
  },
];

legacy(
  "each letter of the specification has its status",
  limited(60_000, () =>
    withListener(PUPPET, async (guard) => {
      const own = await initialize(guard);
      for (const { title, method, headers, body, status, code } of letters) {
        const all = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== undefined);
        const answer = await ask(guard.at, method, Object.fromEntries(all) as Record<string, string>, body);
        assert.is(answer.status, status, `${title}: ${answer.body}`);
        if (code === undefined) continue;
        const { error } = JSON.parse(answer.body) as { error: JsonRpc };
        assert.is(error["code"], code, title);
      }
    })),
);

legacy(
  "what comes before an answer makes it events, and a broken response goes on where it was",
  limited(60_000, () =>
    withListener(CONFORMANCE, async (guard) => {
      const headers = await initialize(guard);
      const first = await openEvents(
        guard.at,
        "POST",
        headers,
        call(1, "test_tool_with_progress", {}, { progressToken: 7 }),
      );
      assert.is(first.headers["content-type"], "text/event-stream");
      const [prime, event] = await first.events(2);
      assert.equal([prime!.data, event!.data?.includes("notifications/progress")], ["", true]);
      first.close();
      const again = await openEvents(guard.at, "GET", { ...headers, "last-event-id": event!.id! });
      const rest = await again.events(3);
      const progress = rest.map(({ data }) =>
        (JSON.parse(data!) as JsonRpc)["params"] as JsonRpc | undefined
      );
      assert.equal(progress.slice(0, 2).map((it) => it?.["progress"]), [50, 100]);
      assert.equal(progress.slice(0, 2).map((it) => it?.["progressToken"]), [7, 7]);
      assert.is((JSON.parse(rest[2]!.data!) as JsonRpc)["id"], 1);
      await again.ended;
      const unknown = await ask(guard.at, "GET", { ...headers, "last-event-id": "r99.1" });
      assert.is(unknown.status, 400);
    })),
);

legacy(
  "what no request caused comes by the GET, also when it came before it",
  limited(60_000, () =>
    withListener(PUPPET, async (guard) => {
      const headers = await initialize(guard);
      const changed = JSON.stringify({ jsonrpc: "2.0", method: "notifications/prompts/list_changed" });
      const late = Buffer.from(`${changed}\n`).toString("base64");
      const listening = await openEvents(guard.at, "GET", headers);
      const calls = openEvents(guard.at, "POST", headers, call(1, "utter", { base64: late }));
      const [event] = await listening.events(1);
      assert.equal(JSON.parse(event!.data!), JSON.parse(changed));
      listening.close();
      void calls.then((it) => it.close(), () => {});
    })),
);

legacy(
  "a client that does not read its events is cut, and others of the guard go on",
  limited(90_000, () =>
    withListener(PUPPET, async (guard) => {
      const [slow, other] = [await initialize(guard), await initialize(guard)];
      const line = JSON.stringify({
        jsonrpc: "2.0",
        method: "notifications/message",
        params: { level: "info", data: "x".repeat(100_000) },
      });
      const stuck = await openEvents(
        guard.at,
        "POST",
        slow,
        call(1, "say", { lines: new Array(60).fill(line) }),
        {
          paused: true,
        },
      );
      for (let id = 1; id <= 20; id++) {
        assert.is((await ask(guard.at, "POST", other, call(id, "echo", { id }))).status, 200);
      }
      // Its own session waits for it, until the response is cut; then its server is read from again.
      assert.is((await ask(guard.at, "POST", slow, rpc(2, "ping"))).status, 200);
      stuck.close();
    })),
);

legacy.run();
