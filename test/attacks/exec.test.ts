/**
 * Exec after connect: who connected becomes another program, and keeps its number, its pidfd, its start time and the
 * connection. Whoever looks then sees the other program.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { join } from "node:path";
import { rmSync } from "node:fs";
import type { Actor } from "./tools/actor.ts";
import { attack } from "./tools/lab.ts";
import { open } from "./tools/opening.ts";
import { digest } from "./tools/programs.ts";

const it = suite("exec after connect");

attack(it, "a request that was queued before the exec", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("exec-after-connect"), path, agent, "idle"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    await attacker.becomes(agent);
    const caller = await door.caller();
    assert.equal([caller.pid, (await caller.look()).sha256], [attacker.pid, digest("agent")]);
    assert.match(await caller.line(), /initialize/);
    assert.match(await caller.line(), /injected/);
  });

  await lab.guarded(async (door) => {
    await door.whileHeldUp(async () => {
      await assault(door.path).becomes(agent);
    });
    assert.is((await door.admitted())["client"], "agent", "it is the agent by now, and silent");
    await door.turnedAway("ERR_PEER_UNPROVEN");
    await door.neverReached(/injected/);
  });
});

attack(it, "a helper that answers in the name of the program executed since", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("helper-answers"), path, agent, "idle"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    await attacker.becomes(agent);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("agent"));
    assert.match(await caller.line(), /initialize/);
    caller.answer();
    assert.match(await caller.line(), /injected/);
    assert.is((await caller.look()).sha256, digest("agent"), "also when it looks again");
  });

  await lab.guarded(async (door) => {
    await door.whileHeldUp(async () => {
      await assault(door.path).becomes(agent);
    });
    await door.turnedAway("ERR_SENDER_OTHER");
    await door.neverReached(/injected/);
  });
});

attack(it, "a trusted program that truly speaks first, and a helper that follows", async (lab) => {
  const agent = lab.program("agent");
  const go = join(lab.folder, "go");
  const assault = (path: string) => lab.run([lab.program("helper-follows"), path, go, agent, "kept"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    await attacker.becomes(agent);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("agent"));
    attacker.tell({ jsonrpc: "2.0", id: 1, method: "ping", params: { harmless: 1 } });
    assert.match(await caller.line(), /harmless/);
    lab.put("go", "");
    assert.match(await caller.line(), /injected/);
    assert.is((await caller.look()).sha256, digest("agent"), "also when it looks again");
  });

  rmSync(go);
  await lab.guarded(async (door) => {
    let attacker: Actor | undefined;
    await door.whileHeldUp(async () => {
      attacker = assault(door.path);
      await attacker.becomes(agent);
    });
    await open(attacker!);
    await door.reached(/initialize/);
    lab.put("go", "");
    await door.turnedAway("ERR_SENDER_OTHER");
    await door.neverReached(/injected/);
  });
});

it.run();
