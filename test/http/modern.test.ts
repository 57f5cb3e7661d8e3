/** Streamable HTTP of the modern era at a Unix socket: the official client, and the specification's letters. */
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { descendantsOf } from "../sessions/processes.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { ROOT } from "../tools/runtimes.ts";
import { ask, fetchVia, type Listening, MEDIA, openEvents, withListener } from "./listener.ts";

const VERSION = "2026-07-28";
const CONFORMANCE = { server: [NODE, join(ROOT, "test/external/conformance/server.mjs")] };
const BOTH = { server: [NODE, fixture("both-eras.mjs")] };
const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientCapabilities": {},
};

const modern = suite("HTTP, modern era");

interface Sent {
  readonly headers: Record<string, string>;
  readonly body: string;
}

function message(id: unknown, method: string, params: JsonRpc = {}, meta: JsonRpc = {}): Sent {
  const name = params["name"] ?? params["uri"];
  return {
    headers: {
      ...MEDIA,
      "mcp-protocol-version": VERSION,
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...META, ...meta } } }),
  };
}

function send(guard: Listening, { headers, body }: Sent) {
  return ask(guard.at, "POST", headers, body);
}

function call(id: unknown, name: string, args: JsonRpc = {}, meta: JsonRpc = {}): Sent {
  return message(id, "tools/call", { name, arguments: args }, meta);
}

modern(
  "the official client calls, is asked, hears of progress and of changes, and cancels",
  limited(60_000, () =>
    withListener(BOTH, async (guard) => {
      const agent = new Agent({ keepAlive: true });
      const fetch = fetchVia(guard.at, agent);
      const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch });
      const client = new Client({ name: "t", version: "1" }, {
        capabilities: { elicitation: {} },
        versionNegotiation: { mode: { pin: VERSION } },
      });
      client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "me" } }));
      await client.connect(transport);
      assert.ok((await client.listTools()).tools.some(({ name }) => name === "ask"));
      const asked = await client.callTool({ name: "ask", arguments: {} });
      assert.match(JSON.stringify(asked.content), /asked once.*accept/);
      let progressed = 0;
      await client.callTool({ name: "slow", arguments: { steps: 2 } }, {
        onprogress: () => void progressed++,
      });
      assert.is(progressed, 2);
      const controller = new AbortController();
      const cancelled = client.callTool({ name: "slow", arguments: { steps: 1000 } }, {
        signal: controller.signal,
        onprogress: () => controller.abort("enough"),
      });
      assert.is(await cancelled.then(() => "done", () => "cancelled"), "cancelled");
      await waitUntil(() =>
        guard.records().some((it) => it["type"] === "result" && it["outcome"] === "cancelled")
      );
      await client.close();
      agent.destroy();
    })),
);

modern(
  "requests of one process share a server, and equal ids and tokens stay apart",
  limited(60_000, () =>
    withListener(CONFORMANCE, async (guard) => {
      await send(guard, message(0, "server/discover"));
      await Promise.all(Array.from({ length: 16 }, async (_, who) => {
        const events = await openEvents(
          guard.at,
          "POST",
          ...parts(call(1, "test_tool_with_progress", {}, { progressToken: "t" })),
        );
        const all = (await events.events(4)).map(({ id, data }) => ({
          id,
          line: JSON.parse(data!) as JsonRpc,
        }));
        const tokens = all.slice(0, 3).map(({ line }) => (line["params"] as JsonRpc)["progressToken"]);
        assert.equal([tokens, all[3]!.line["id"]], [["t", "t", "t"], 1], String(who));
        // This era has nothing to come back with.
        assert.is(all[0]!.id, undefined);
        await events.ended;
      }));
      const servers = descendantsOf(guard.pid).length;
      await Promise.all(
        Array.from({ length: 4 }, (_, at) => send(guard, call(at % 2 === 0 ? 1 : "1", "test_simple_text"))),
      );
      assert.is(descendantsOf(guard.pid).length, servers);
      const [number, text] = await Promise.all(
        [1, "1"].map((id) => send(guard, call(id, "test_simple_text"))),
      );
      assert.equal([number, text].map((it) => (JSON.parse(it!.body) as JsonRpc)["id"]), [1, "1"]);
    })),
);

modern(
  "a subscription hears what it asked for, under its own id, until it is closed",
  limited(60_000, () =>
    withListener(CONFORMANCE, async (guard) => {
      await send(guard, message(0, "server/discover"));
      const filter = { notifications: { toolsListChanged: true } };
      const listens = await Promise.all(
        [1, 1].map(() => openEvents(guard.at, "POST", ...parts(message(1, "subscriptions/listen", filter)))),
      );
      for (const listen of listens) await listen.events(1);
      await send(guard, call(1, "test_trigger_tool_change"));
      for (const listen of listens) {
        const [event] = await listen.events(1);
        const { method, params } = JSON.parse(event!.data!) as { method: string; params: { _meta: JsonRpc } };
        assert.is(method, "notifications/tools/list_changed");
        assert.is(params._meta["io.modelcontextprotocol/subscriptionId"], 1);
        listen.close();
      }
    })),
);

const letters: readonly {
  readonly title: string;
  readonly sent: Sent;
  readonly headers?: Record<string, string | undefined>;
  readonly status: number;
  readonly code?: number;
}[] = [
  { title: "all is well", sent: call(1, "test_simple_text"), status: 200 },
  {
    title: "no version in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-protocol-version": undefined },
    status: 400,
    code: -32020,
  },
  {
    title: "another version in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-protocol-version": "2025-11-25" },
    status: 400,
    code: -32020,
  },
  {
    title: "no method in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-method": undefined },
    status: 400,
    code: -32020,
  },
  {
    title: "another method in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-method": "tools/list" },
    status: 400,
    code: -32020,
  },
  {
    title: "the method in other letters",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-method": "Tools/Call" },
    status: 400,
    code: -32020,
  },
  {
    title: "no name in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-name": undefined },
    status: 400,
    code: -32020,
  },
  {
    title: "another name in the header",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-name": "test_error_handling" },
    status: 400,
    code: -32020,
  },
  {
    title: "the name in base64",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-name": `=?base64?${btoa("test_simple_text")}?=` },
    status: 200,
  },
  {
    title: "no base64",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-name": "=?base64?%%%?=" },
    status: 400,
    code: -32020,
  },
  { title: "an unknown method", sent: message(1, "no/such"), status: 404, code: -32601 },
  { title: "a method of the other era", sent: message(1, "ping"), status: 404, code: -32601 },
  {
    title: "initialize with a modern header",
    sent: {
      ...message(1, "initialize"),
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: { protocolVersion: VERSION },
      }),
    },
    status: 400,
    code: -32020,
  },
  { title: "a notification", sent: { ...message(undefined, "notifications/progress") }, status: 202 },
  {
    title: "no capabilities",
    sent: message(1, "tools/list", {}, { "io.modelcontextprotocol/clientCapabilities": undefined }),
    status: 400,
    code: -32602,
  },
  {
    title: "no envelope",
    sent: {
      ...message(1, "tools/list"),
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    },
    status: 400,
    code: -32602,
  },
  {
    title: "a version of tomorrow",
    sent: message(1, "tools/list", {}, { "io.modelcontextprotocol/protocolVersion": "2099-01-01" }),
    headers: { "mcp-protocol-version": "2099-01-01" },
    status: 400,
    code: -32022,
  },
  { title: "no JSON", sent: { ...message(1, "tools/list"), body: "{" }, status: 400, code: -32700 },
  {
    title: "a key twice",
    sent: { ...message(1, "tools/list"), body: `{"id":1,${message(1, "tools/list").body.slice(1)}` },
    status: 400,
    code: -32600,
  },
  {
    title: "a session id, which means nothing",
    sent: call(1, "test_simple_text"),
    headers: { "mcp-session-id": "x", "last-event-id": "y" },
    status: 200,
  },
];

modern(
  "each letter of the specification has its status",
  limited(60_000, () =>
    withListener(CONFORMANCE, async (guard) => {
      for (const { title, sent, headers, status, code } of letters) {
        const all = Object.entries({ ...sent.headers, ...headers }).filter(([, value]) =>
          value !== undefined
        );
        const answer = await ask(
          guard.at,
          "POST",
          Object.fromEntries(all) as Record<string, string>,
          sent.body,
        );
        assert.is(answer.status, status, `${title}: ${answer.body}`);
        if (code === undefined) continue;
        assert.is((JSON.parse(answer.body) as { error: JsonRpc }).error["code"], code, title);
      }
      for (const method of ["GET", "DELETE"]) {
        const headers = { accept: "text/event-stream", "mcp-protocol-version": VERSION };
        assert.is((await ask(guard.at, method, headers)).status, 405, method);
      }
    })),
);

modern(
  "a server of the legacy era answers the probe with 404, and the client falls back",
  limited(
    60_000,
    () =>
      withListener({ server: [NODE, fixture("puppet.mjs"), "/dev/null"] }, async (guard) => {
        const probe = await send(guard, message(1, "server/discover"));
        assert.is(probe.status, 404);
        const fetch = fetchVia(guard.at, new Agent({ keepAlive: false }));
        const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), { fetch });
        const client = new Client({ name: "t", version: "1" }, { versionNegotiation: { mode: "auto" } });
        await client.connect(transport);
        const echoed = await client.callTool({ name: "echo", arguments: { a: 1 } });
        assert.match(JSON.stringify(echoed.content), /a/);
        // The server that was only probed is not kept.
        await waitUntil(() => descendantsOf(guard.pid).filter(isServer).length === 1, 10_000);
        await client.close();
      }),
  ),
);

function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("puppet.mjs");
  } catch {
    // It has ended.
    return false;
  }
}

function parts({ headers, body }: Sent): [Record<string, string>, string] {
  return [headers, body];
}

modern.run();
