/**
 * The official conformance suite against the guard's HTTP doors, with an ordinary stdio server behind them: every
 * scenario that a revision of MCP requires, of both eras.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { limited } from "../harness.ts";
import { type Listening, withListener } from "../http/listener.ts";
import { NODE } from "../sessions/puppet.ts";
import { ROOT } from "../tools/runtimes.ts";
import { installed, newerNodes } from "./installed.ts";

const PACKAGE = "@modelcontextprotocol/conformance";
const SUITE = installed(`${PACKAGE}/dist/index.js`);
const SERVER = [NODE, join(ROOT, "test/external/conformance/server.mjs")];
const POLICY =
  "version: 1\nname: conformance\ndefault: allow\nclients:\n  - { name: suite, proof: not-required }\n";
/** The suite needs Node 22. */
const NODE_22 = newerNodes()[0]!.binary;

const conformance = suite("official conformance");

const REVISIONS: readonly (readonly [revision: string, scored: number])[] = [
  ["2025-11-25", 30],
  ["2026-07-28", 37],
];
for (const [revision, scored] of REVISIONS) {
  conformance(
    `${revision} on loopback: all of ${scored} scenarios`,
    limited(280_000, () =>
      withListener(
        { server: SERVER, policy: POLICY, listen: "http://127.0.0.1:0" },
        (guard) => passes(revision, scored, guard, Number(guard.at)),
      )),
  );
  conformance(
    `${revision} at a Unix socket: all of ${scored} scenarios`,
    limited(280_000, () =>
      withListener(
        { server: SERVER, policy: POLICY },
        (guard) => withForwarder(String(guard.at), (port) => passes(revision, scored, guard, port)),
      )),
  );
}

async function passes(revision: string, scored: number, guard: Listening, port: number): Promise<void> {
  const required = requiredScenarios(revision);
  assert.is(required.length, scored);
  const said = await run(revision, port, guard.folder);
  const passed = required.filter((name) =>
    new RegExp(`^✓ ${name}: [1-9]\\d* passed, 0 failed`, "m").test(said)
  );
  assert.equal(
    required.filter((name) => !passed.includes(name)),
    [],
    said.slice(said.indexOf("=== SUMMARY")),
  );
}

function requiredScenarios(revision: string): readonly string[] {
  const file = installed(`${PACKAGE}/requirements/${revision}.yaml`);
  return (parse(readFileSync(file, "utf8")) as { server: string[] }).server;
}

function run(revision: string, port: number, folder: string): Promise<string> {
  const url = `http://127.0.0.1:${port}/mcp`;
  const args = [SUITE, "server", "--url", url, "--requirements", revision, "-o", join(folder, "results")];
  const child = spawn(NODE_22, args, { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => void (said += text));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(said));
  });
}

/** The suite speaks to ports only. Bytes pass as they are: for the guard it is this process that speaks. */
async function withForwarder(path: string, use: (port: number) => Promise<void>): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const door = connect({ path, allowHalfOpen: true });
    client.pipe(door);
    door.pipe(client);
    const close = (): void => {
      client.destroy();
      door.destroy();
    };
    for (const socket of [client, door]) socket.on("error", close).on("close", close);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

conformance.run();
