/** Streamable HTTP of the legacy era at a Unix socket: the official client, and the specification's letters. */
import { Agent } from "node:http";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited } from "../harness.ts";
import { fixture, NODE } from "../sessions/puppet.ts";
import { fetchVia, withListener } from "./listener.ts";

const legacy = suite("run --listen unix+http: (legacy)");

legacy(
  "the official client calls a tool, and ends its session",
  limited(
    60_000,
    () =>
      withListener({ server: [NODE, fixture("puppet.mjs"), "/dev/null"] }, async (guard) => {
        const agent = new Agent({ keepAlive: true });
        const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
          fetch: fetchVia(guard.at, agent),
        });
        const client = new Client({ name: "t", version: "1" });
        await client.connect(transport as never);
        const tools = await client.listTools();
        assert.ok(tools.tools.some(({ name }) => name === "echo"));
        const result = await client.callTool({ name: "echo", arguments: { text: "hi" } });
        assert.match(JSON.stringify(result.content), /hi/);
        await transport.terminateSession();
        await client.close();
        agent.destroy();
      }),
  ),
);

legacy.run();
