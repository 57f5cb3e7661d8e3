/**
 * The connect shim: whatever is handed over to a guard that listens, it must be the client's own.
 *
 * What guards do today is to take who connects for the client: then it is the shim, or whoever says that it is one.
 */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, type JsonRpc } from "../harness.ts";
import type { Actor } from "./tools/actor.ts";
import { admitting } from "./tools/guarded-door.ts";
import { attack } from "./tools/lab.ts";
import { call, open } from "./tools/opening.ts";
import { compile, digest } from "./tools/programs.ts";

const it = suite("the connect shim");

/** The agent's entry, for streams of whose writer nobody is sure. */
const BY_PIPE = admitting(digest("agent"), "    grade: lineage\n    via: shim\n");

const shim = (path: string): readonly string[] => [...guardCommand(), "connect", path];

attack(it, "an agent that gives its servers sockets is known itself, through the shim", async (lab) => {
  await lab.guarded(async (door) => {
    const agent = lab.run([lab.program("agent"), "socket", ...shim(door.path)]);
    await open(agent);
    assert.match(JSON.stringify(await call(agent, "hello")), /hello/);
    const { client, transport } = await door.admitted();
    assert.equal([client, transport], ["agent", "stdio-socket"]);
  });
});

attack(it, "one that gives them pipes, for an entry that says so and no other", async (lab) => {
  await lab.guarded(async (door) => {
    const agent = lab.run([lab.program("agent"), "pipes", ...shim(door.path)]);
    await open(agent);
    assert.match(JSON.stringify(await call(agent, "hello")), /hello/);
    assert.is((await door.admitted())["transport"], "stdio-pipe");
  }, BY_PIPE);
  for (const clients of [admitting(digest("agent")), admitting(digest("agent"), "    grade: lineage\n")]) {
    await lab.guarded(async (door) => {
      const agent = lab.run([lab.program("agent"), "pipes", ...shim(door.path)]);
      await turnedDown(agent);
      const { reasons } = await door.turnedAway("ERR_PEER_REFUSED");
      assert.match(String(reasons), /through the shim/);
    }, clients);
  }
});

attack(it, "another program that does all the agent does, with the genuine shim", async (lab) => {
  for (const how of ["socket", "pipes"]) {
    await lab.guarded(async (door) => {
      // A byte behind the end of the file changes nothing but the digest.
      const other = lab.put("claude", Buffer.concat([compile("agent"), Buffer.from("\n")]), 0o755);
      await turnedDown(lab.run([other, how, ...shim(door.path)]));
      const { reasons } = await door.turnedAway("ERR_PEER_REFUSED");
      assert.match(String(reasons), /its executable's digest/);
      await door.neverReached(/initialize/);
    }, how === "pipes" ? BY_PIPE : undefined);
  }
});

for (
  const { title, when, how } of [
    { title: "what was sent before anybody could look", when: "early", how: "idle" },
    { title: "a helper that waits for the answer", when: "late", how: "idle" },
    { title: "a helper that follows the agent, which truly speaks first", when: "go", how: "kept" },
  ]
) {
  attack(it, `a socket made by a process that is the agent now: ${title}`, async (lab) => {
    const agent = lab.program("agent");
    const go = when === "go" ? join(lab.folder, "go") : when;
    await lab.guarded(async (door) => {
      const launder = lab.program("launders-stdin");
      const attacker = lab.run([launder, go, agent, how, "--", ...shim(door.path)]);
      if (when === "go") {
        await open(attacker);
        await door.reached(/initialize/);
        lab.put("go", "");
      }
      await door.turnedAway(when === "early" ? "ERR_PEER_UNPROVEN" : "ERR_SENDER_OTHER");
      await door.neverReached(/injected/);
    });
  });
}

/** The agent asks, and is told that it is not let in. */
async function turnedDown(agent: Actor): Promise<void> {
  agent.tell({ jsonrpc: "2.0", id: "honest-0", method: "initialize", params: {} });
  const answer = await agent.receive((message) => message["id"] === "honest-0", 20_000);
  assert.is((answer["error"] as JsonRpc)["code"], 1004);
}

it.run();
