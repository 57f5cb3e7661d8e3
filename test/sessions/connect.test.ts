/** `mcp-guard connect`: the client speaks with the guard itself, and what was handed over is looked at closely. */
import { type ChildProcess, spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { handOverPath, HELLO } from "../../sidecar/front/hand-over.ts";
import { systemCalls } from "../../sidecar/platform/linux/calls.ts";
import { openPlatform } from "../../sidecar/platform/open-platform.ts";
import { guardCommand, type JsonRpc, limited, waitUntil } from "../harness.ts";
import { openInbox } from "../tools/inbox.ts";
import { type Listening, serversOf, withListener } from "./listening.ts";

const platform = openPlatform();
const LINUX = new URL("../../sidecar/platform/linux/", import.meta.url).href;

interface Client {
  readonly shim: ChildProcess;
  send(message: JsonRpc): void;
  request(id: number, method: string, params?: JsonRpc): Promise<JsonRpc>;
  /** Sends no more. */
  end(): void;
  /** Nothing more came, and nothing more will. */
  readonly over: Promise<void>;
  readonly exit: Promise<number | null>;
  stderr(): string;
}

type Kind = "sockets" | "pipes";

/** Starts the shim as an MCP client does: with sockets, as node and bun do, or with pipes. */
function start(path: string, kind: Kind): Client {
  const [theirInput, ownOutput] = kind === "sockets" ? platform.socketPair() : platform.pipe();
  const [ownInput, theirOutput] = kind === "sockets" ? platform.socketPair() : platform.pipe();
  const [program, ...args] = [...guardCommand(), "connect", path];
  const shim = spawn(program, args, { stdio: [theirInput, theirOutput, "pipe"] });
  for (const fd of [theirInput, theirOutput]) platform.closeDescriptor(fd);
  let said = "";
  shim.stderr!.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const output = platform.openStream(ownOutput, "write");
  const ignore = () => {};
  output.start({ data: ignore, end: ignore, error: ignore, drain: ignore });
  const received = new PassThrough();
  const over = new Promise<void>((resolve) => {
    const end = (): void => resolve(void received.end());
    const input = platform.openStream(ownInput, "read");
    input.start({ data: (chunk) => void received.write(chunk), end, error: end, drain: ignore });
  });
  const inbox = openInbox(received);
  const send = (message: JsonRpc): void => void output.write(Buffer.from(`${JSON.stringify(message)}\n`));
  return {
    shim,
    send,
    request(id, method, params) {
      send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
      return inbox.receive((message) => message["id"] === id, 20_000);
    },
    end: () => kind === "sockets" ? output.end() : output.destroy(),
    over,
    exit: new Promise((resolve) => shim.once("exit", resolve)),
    stderr: () => said,
  };
}

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "x", version: "1" },
};

async function open(path: string, kind: Kind): Promise<Client> {
  const client = start(path, kind);
  await client.request(0, "initialize", INITIALIZE);
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  return client;
}

const echo = (client: Client, id: number) =>
  client.request(id, "tools/call", { name: "echo", arguments: { text: "hello" } });

function recordOf(guard: Listening, type: string): { readonly who: JsonRpc; readonly detail: JsonRpc } {
  const record = guard.records().find((it) => it["type"] === type);
  if (record === undefined) throw new Error(`No record '${type}'; the guard said: ${guard.stderr()}`);
  return record as { who: JsonRpc; detail: JsonRpc };
}

const it = suite("mcp-guard connect");

it(
  "sockets: the client speaks with the guard itself, and its end is everybody's end",
  limited(60_000, () =>
    withListener(async (guard) => {
      const client = await open(guard.path, "sockets");
      assert.match(JSON.stringify(await echo(client, 1)), /hello/);
      const { who, detail } = recordOf(guard, "session-start");
      assert.equal([who["pid"], detail["transport"]], [process.pid, "stdio-socket"]);
      assert.is(detail["handedOverBy"], client.shim.pid);
      client.end();
      assert.is(await client.exit, 0, client.stderr());
      await client.over;
      await waitUntil(() => serversOf(guard).length === 0, 10_000);
    })),
);

it(
  "pipes: the nearest ancestor of the shim that holds both",
  limited(60_000, () =>
    withListener(async (guard) => {
      const client = await open(guard.path, "pipes");
      assert.match(JSON.stringify(await echo(client, 1)), /hello/);
      const { who, detail } = recordOf(guard, "session-start");
      assert.equal([who["pid"], detail["transport"]], [process.pid, "stdio-pipe"]);
      client.end();
      assert.is(await client.exit, 0, client.stderr());
      await client.over;
    })),
);

it(
  "twelve clients at once, each with a server of its own",
  limited(120_000, () =>
    withListener(async (guard) => {
      const clients = await Promise.all(
        Array.from({ length: 12 }, (_, index) => open(guard.path, index % 2 === 0 ? "sockets" : "pipes")),
      );
      await Promise.all(clients.map(async (client, index) => {
        const answer = await client.request(1, "tools/call", {
          name: "echo",
          arguments: { text: `of ${index}` },
        });
        assert.match(JSON.stringify(answer["result"]), new RegExp(`of ${index}\\\\"`));
      }));
      assert.is(serversOf(guard).length, 12);
      for (const client of clients) client.end();
      assert.equal(await Promise.all(clients.map((client) => client.exit)), clients.map(() => 0));
    })),
);

it(
  "the server's exit code is the shim's",
  limited(60_000, () =>
    withListener(async (guard) => {
      const client = await open(guard.path, "sockets");
      client.send({
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: "exit", arguments: { code: 7 } },
      });
      assert.is(await client.exit, 7);
      await client.over;
    })),
);

it(
  "the shim's end is the session's",
  limited(60_000, () =>
    withListener(async (guard) => {
      const client = await open(guard.path, "sockets");
      assert.is(serversOf(guard).length, 1);
      client.shim.kill("SIGKILL");
      await client.over;
      await waitUntil(() => serversOf(guard).length === 0, 10_000);
      await waitUntil(() => guard.records().some((one) => one["type"] === "session-end"));
      const { detail } = recordOf(guard, "session-end");
      assert.equal([detail["reason"], detail["loss"] ?? detail["detail"]], ["ERR_PEER_GONE", "shim-ended"]);
    })),
);

it(
  "a guard that is stopped says so, one that is killed leaves nobody waiting",
  limited(60_000, async () => {
    for (const [signal, code, said] of [["SIGTERM", 0, ""], ["SIGKILL", 1, "without a word"]] as const) {
      await withListener(async (guard) => {
        const client = await open(guard.path, "sockets");
        process.kill(guard.pid, signal);
        const exit = await client.exit;
        if (signal === "SIGKILL") assert.is(exit, code);
        else assert.not.type(exit, "object");
        assert.match(client.stderr(), said);
        await client.over;
      });
    }
  }),
);

async function runShim(target: string, input: number | "ignore"): Promise<{ code: unknown; said: string }> {
  const [program, ...args] = [...guardCommand(), "connect", ...(target === "" ? [] : [target])];
  const shim = spawn(program, args, { stdio: [input, "pipe", "pipe"] });
  let said = "";
  shim.stderr!.setEncoding("utf8").on("data", (text: string) => void (said += text));
  return { code: await new Promise((resolve) => shim.once("close", resolve)), said };
}

it(
  "says what is wrong when there is nobody to connect to, or nothing to hand over",
  limited(60_000, async () => {
    const none = await runShim("/nowhere/s.sock", "ignore");
    assert.equal([none.code, none.said], [
      1,
      "mcp-guard: Cannot hand over standard input: it is no pipe and no Unix socket. An MCP client starts this " +
      "command [ERR_CONFIG_INVALID]\n",
    ]);
    const [end, other] = platform.socketPair();
    const nobody = await runShim("/nowhere/s.sock", end);
    assert.is(nobody.code, 1);
    assert.match(nobody.said, /no guard listens there \(ENOENT\)/);
    assert.is((await runShim("", "ignore")).code, 2);
    for (const fd of [end, other]) platform.closeDescriptor(fd);
  }),
);

// ── what a hostile shim may try ────────────────────────────────────────────────────────────────────────────────────

/** Connects where the shim does, hands this over, and waits for the answer. @returns What the guard says. */
async function handOver(guard: Listening, descriptors: readonly number[], hello = HELLO): Promise<string> {
  const socket = platform.connectUnix(handOverPath(guard.path));
  let said = "";
  const stream = platform.openStream(socket, "both");
  platform.passDescriptors(socket, Buffer.from(hello), descriptors);
  await new Promise<void>((resolve) => {
    const end = (): void => resolve();
    stream.start({ data: (chunk) => void (said += chunk.toString()), end, error: end, drain: () => {} });
  });
  stream.destroy();
  return said;
}

async function refusals(guard: Listening): Promise<unknown[]> {
  await delay(50);
  return guard.records().filter((one) => one["type"] === "peer-refused")
    .flatMap((one) => (one["detail"] as JsonRpc)["reasons"] as string[]);
}

it(
  "two streams of two makers, or of two kinds, are nobody's: the answers would go elsewhere",
  limited(60_000, () =>
    withListener(async (guard) => {
      // A program that was given sockets by us, and hands the guard one of these and one of its own.
      const script = `
        import { connectUnix, passDescriptors } from ${JSON.stringify(`${LINUX}connect.ts`)};
        import { systemCalls } from ${JSON.stringify(`${LINUX}calls.ts`)};
        const calls = systemCalls();
        const own = process.env.KIND === "pipe" ? calls.pipe()[1] : calls.socketPair()[0];
        const socket = connectUnix(calls, process.env.DOOR);
        passDescriptors(calls, socket, Buffer.from(${JSON.stringify(HELLO)}), [0, own]);
        setTimeout(() => {}, 1500);
      `;
      for (const kind of ["socket", "pipe"]) {
        const [theirs, ours] = platform.socketPair();
        const command = "Deno" in globalThis
          ? ["eval", script]
          : ["--import", "tsx", "--input-type=module", "-e", script];
        const program = spawn(process.execPath, command, {
          stdio: [theirs, "ignore", "inherit"],
          env: { ...process.env, DOOR: handOverPath(guard.path), KIND: kind },
        });
        await new Promise((resolve) => program.once("exit", resolve));
        for (const fd of [theirs, ours]) platform.closeDescriptor(fd);
      }
      assert.equal(await refusals(guard), ["stdio-peers-differ", "stdio-peers-differ"]);
    })),
);

it(
  "what is not exactly two streams and the greeting is not looked at",
  limited(60_000, () =>
    withListener(async (guard) => {
      const file = systemCalls().open("/dev/null", 0);
      const [input, output] = platform.socketPair();
      await handOver(guard, [input]);
      await handOver(guard, [input, output, input]);
      await handOver(guard, [input, output], "hello\n");
      await handOver(guard, [input, file]);
      assert.equal(await refusals(guard), [
        "hand-over:malformed",
        "hand-over:ended",
        "hand-over:malformed",
        "hand-over:neither-pipe-nor-socket",
      ]);
      for (const fd of [input, output]) platform.closeDescriptor(fd);
    })),
);

it(
  "files that may never close are left lying, and after sixteen the door is shut",
  limited(60_000, () =>
    withListener(async (guard) => {
      const file = systemCalls().open("/dev/null", 0);
      for (let round = 0; round < 8; round++) await handOver(guard, [file, file]);
      assert.match(guard.stderr(), /'connect' is served no longer/);
      assert.throws(() => platform.connectUnix(handOverPath(guard.path)), /ENOENT|ECONNREFUSED/);
    })),
);

it.run();
