/** The same over HTTP, whose connections are kept and used by many requests: who speaks is asked of each read. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Actor } from "./tools/actor.ts";
import { attack } from "./tools/lab.ts";
import { digest } from "./tools/programs.ts";

const it = suite("who speaks HTTP");

attack(it, "a request that was queued before the exec", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("http-speaks"), "queue", path, agent, "idle"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    await attacker.becomes(agent);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("agent"));
    while (!/injected/.test(await caller.line())) { /* the head of the request */ }
  });

  await lab.guardedOverHttp(async (door) => {
    await door.whileHeldUp(async () => {
      await assault(door.path).becomes(agent);
    });
    await door.turnedAway("ERR_PEER_UNPROVEN");
    await door.neverReached(/injected/);
  });
});

attack(it, "a trusted program on a kept connection, and a helper that follows", async (lab) => {
  const agent = lab.program("agent");
  const go = join(lab.folder, "go");
  const assault = (path: string) => lab.run([lab.program("http-speaks"), "helper", path, go, agent, "kept"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    await attacker.becomes(agent);
    const caller = await door.caller();
    attacker.tell(post(OPENING).trim());
    while (!/initialize/.test(await caller.line())) { /* the head of the request */ }
    lab.put("go", "");
    while (!/injected/.test(await caller.line())) { /* the head of the request */ }
    assert.is((await caller.look()).sha256, digest("agent"), "also when it looks again");
  });

  rmSync(go);
  await lab.guardedOverHttp(async (door) => {
    let attacker: Actor | undefined;
    await door.whileHeldUp(async () => {
      attacker = assault(door.path);
      await attacker.becomes(agent);
    });
    attacker!.tell(post(OPENING).trim());
    await door.reached(/initialize/);
    lab.put("go", "");
    await door.turnedAway("ERR_SENDER_OTHER");
    await door.neverReached(/injected/);
  });
});

attack(it, "an honest program is served over HTTP", async (lab) => {
  const agent = lab.program("agent");
  await lab.guardedOverHttp(async (door) => {
    const honest = lab.run([agent, "connect", door.path]);
    honest.tell(post(OPENING).trim());
    assert.is((await door.admitted())["client"], "agent");
    await door.reached(/initialize/);
  });
});

const OPENING = {
  jsonrpc: "2.0",
  id: "honest-0",
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "agent", version: "1" } },
};

/** With the line end that the agent's keeper adds. */
function post(message: unknown): string {
  const body = `${JSON.stringify(message)}\n`;
  return [
    "POST /mcp HTTP/1.1",
    "Host: localhost",
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
}

it.run();
