/**
 * Several official clients on one server-memory: their ids and progress tokens both count from 0. Each gets its own
 * answers, all of them see the one memory, and a crash of it is told to each by its own ids.
 */
import { Client } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { CallToolResultSchema, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, waitUntil } from "../harness.ts";
import { type Listening, withListener } from "../sessions/listening.ts";
import { descendantsOf } from "../sessions/processes.ts";
import { NODE, reference } from "./comparison.ts";

const GRAPH = "memory://knowledge-graph";
const policy = (folder: string) =>
  `version: 1
name: memory
session: {children: shared}
server: {env: {pass: [PATH], set: {MEMORY_FILE_PATH: "${folder}/memory.jsonl"}}}
rules:
  - {name: all, tools: ["create_*", read_graph, "search_*", "open_*"], effect: allow}
resources: {allow: ["${GRAPH}"]}
`;
const INFO = { name: "official-client", version: "1.0.0" };

/** The SDKs' stdio framing over a socket, which is all that `unix:` is. */
class SocketTransport {
  onmessage?: (message: unknown) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly sent: { readonly id?: unknown }[] = [];
  readonly received: string[] = [];
  readonly #socket: Socket;
  #rest = "";

  constructor(path: string) {
    this.#socket = connect(path).setEncoding("utf8");
  }

  start(): Promise<void> {
    this.#socket.on("error", (error) => this.onerror?.(error));
    this.#socket.on("close", () => this.onclose?.());
    this.#socket.on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) {
        this.received.push(line);
        this.onmessage?.(JSON.parse(line));
      }
    });
    return Promise.resolve();
  }

  send(message: unknown): Promise<void> {
    this.sent.push(message as { id?: unknown });
    this.#socket.write(`${JSON.stringify(message)}\n`);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

interface OnSocket {
  readonly transport: SocketTransport;
  readonly updates: unknown[];
  call(name: string, args: Record<string, unknown>): Promise<unknown>;
  subscribe(): Promise<unknown>;
  close(): Promise<void>;
}

async function openV1(path: string): Promise<OnSocket> {
  const transport = new SocketTransport(path);
  const client = new ClientV1(INFO, { capabilities: {} });
  const updates: unknown[] = [];
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void updates.push(params.uri),
  );
  await client.connect(transport as never);
  return {
    transport,
    updates,
    call: (name, args) =>
      client.callTool({ name, arguments: args }, CallToolResultSchema, { onprogress: () => {} }),
    subscribe: () => client.subscribeResource({ uri: GRAPH }),
    close: () => client.close(),
  };
}

async function openV2(path: string): Promise<OnSocket> {
  const transport = new SocketTransport(path);
  const client = new Client(INFO, { capabilities: {} });
  const updates: unknown[] = [];
  client.setNotificationHandler(
    "notifications/resources/updated",
    ({ params }) => void updates.push(params.uri),
  );
  await client.connect(transport as never);
  return {
    transport,
    updates,
    call: (name, args) => client.callTool({ name, arguments: args }, { onprogress: () => {} }),
    subscribe: () => client.subscribeResource({ uri: GRAPH }),
    close: () => client.close(),
  };
}

const servers = (guard: Listening) =>
  descendantsOf(guard.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("server-memory");
    } catch {
      return false;
    }
  });

const it = suite("official clients on one server-memory");

it(
  "each has its own answers under equal ids and tokens, and all have one memory",
  limited(100_000, () =>
    withMemory(async (guard) => {
      const clients = [await openV1(guard.path), await openV2(guard.path), await openV1(guard.path)];
      assert.is(servers(guard).length, 1);
      await clients[1]!.subscribe();
      await Promise.all(clients.flatMap((client, who) =>
        Array.from({ length: 100 }, async (_, n) => {
          const name = `entity-of-${who}-number-${n}`;
          const entities = [{ name, entityType: "thing", observations: [`seen by ${who}`] }];
          const answer = JSON.stringify(await client.call("create_entities", { entities }));
          assert.ok(answer.includes(name), `${who} was told ${answer}`);
          for (const other of [0, 1, 2]) {
            if (other !== who) {
              assert.not.ok(answer.includes(`entity-of-${other}-`), `${who} was told ${answer}`);
            }
          }
        })
      ));
      // One after the other: calls at once overwrite each other's file in this server.
      for (const [who, client] of clients.entries()) {
        await client.call("create_entities", {
          entities: [{ name: `mark-of-${who}`, entityType: "thing", observations: [] }],
        });
      }
      for (const client of clients) {
        const graph = JSON.stringify(await client.call("read_graph", {}));
        for (const who of [0, 1, 2]) assert.ok(graph.includes(`mark-of-${who}`));
      }
      const ids = clients.map(({ transport }) =>
        transport.sent.flatMap(({ id }) => id === undefined ? [] : [id])
      );
      assert.equal(ids[0]!.slice(0, 50), ids[2]!.slice(0, 50));
      await waitUntil(() => clients[1]!.updates.length > 0);
      assert.equal([clients[0]!.updates, clients[2]!.updates], [[], []]);
      for (const client of clients) await client.close();
    })),
);

it(
  "a crash fails what each waits for, and who comes next finds the memory that was written",
  limited(100_000, () =>
    withMemory(async (guard) => {
      const clients = [await openV1(guard.path), await openV2(guard.path)];
      const entities = [{ name: "kept", entityType: "thing", observations: [] }];
      await clients[0]!.call("create_entities", { entities });
      const [server] = servers(guard);
      process.kill(server!, "SIGSTOP");
      const pending = clients.map((client) => client.call("read_graph", {}).then(() => "answered", String));
      await new Promise((resolve) => setTimeout(resolve, 200));
      process.kill(server!, "SIGKILL");
      for (const outcome of await Promise.all(pending)) {
        assert.match(outcome, /ended before it answered|closed/i);
      }
      const next = await openV1(guard.path);
      assert.match(JSON.stringify(await next.call("read_graph", {})), /kept/);
      assert.not.equal(servers(guard), [server]);
      await next.close();
    })),
);

function withMemory(use: (guard: Listening) => Promise<void>): Promise<void> {
  return withListener(use, { policy, server: () => [NODE, reference("server-memory")] });
}

it.run();
