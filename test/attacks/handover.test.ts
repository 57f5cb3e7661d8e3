/** Connections that change hands: the kernel names who connected, for ever, whoever holds the other end now. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { waitUntil } from "../harness.ts";
import { ROOT_RUNS, SELF } from "./tools/people.ts";
import { attack, type Lab } from "./tools/lab.ts";
import { exeOf } from "./naive.ts";
import type { GuardedDoor } from "./tools/guarded-door.ts";
import type { NaiveDoor } from "./tools/naive-door.ts";
import { open } from "./tools/opening.ts";
import { digest } from "./tools/programs.ts";
import type { Actor } from "./tools/actor.ts";

const it = suite("connections that change hands");

const HARMLESS = { jsonrpc: "2.0", id: 1, method: "ping", params: { harmless: 1 } };

/** The agent speaks, another process after it: the naive check sees the agent both times. */
async function speakInTurn(lab: Lab, door: NaiveDoor, agent: Actor, path: string): Promise<void> {
  await agent.becomes(path);
  const caller = await door.caller();
  assert.equal([caller.pid, (await caller.look()).sha256], [agent.pid, digest("agent")]);
  agent.tell(HARMLESS);
  assert.match(await caller.line(), /harmless/);
  lab.put("go", "");
  assert.match(await caller.line(), /injected/);
  assert.is((await caller.look()).sha256, digest("agent"), "also when it looks again");
}

async function speakInTurnGuarded(
  lab: Lab,
  door: GuardedDoor,
  assault: (path: string) => Actor,
  path: string,
): Promise<void> {
  rmSync(join(lab.folder, "go"));
  let agent: Actor | undefined;
  await door.whileHeldUp(async () => {
    agent = assault(door.path);
    await agent.becomes(path);
  });
  await open(agent!);
  lab.put("go", "");
  await door.turnedAway("ERR_SENDER_OTHER");
  await door.neverReached(/injected/);
}

attack(it, "a connection is passed on with SCM_RIGHTS", async (lab) => {
  const agent = lab.program("agent");
  const go = join(lab.folder, "go");
  const assault = (path: string) => lab.run([lab.program("hands-over"), path, go, agent, "kept"]);

  await lab.naively((door) => speakInTurn(lab, door, assault(door.path), agent));
  await lab.guarded((door) => speakInTurnGuarded(lab, door, assault, agent));
});

attack(it, "a program that the agent starts inherits its connection", async (lab) => {
  const agent = lab.program("agent");
  const child = [lab.program("speaks-up"), join(lab.folder, "go")];
  const assault = (path: string) => lab.run([agent, "connect", path, ...child]);

  await lab.naively((door) => speakInTurn(lab, door, assault(door.path), agent));
  await lab.guarded((door) => speakInTurnGuarded(lab, door, assault, agent));
});

attack(it, "a connection is taken out of the running agent (pidfd_getfd)", async (lab) => {
  const agent = lab.program("agent");
  const steals = lab.program("steals");

  await lab.naively(async (door) => {
    const victim = lab.run([agent, "connect", door.path]);
    await victim.becomes(agent);
    const caller = await door.caller();
    const thief = lab.run([steals, String(victim.pid), join(lab.folder, "go")]);
    await thief.receive((message) => message["stolen"] === true);
    assert.is((await caller.look()).sha256, digest("agent"));
    lab.put("go", "");
    assert.match(await caller.line(), /injected/);
    assert.equal([caller.pid, (await caller.look()).sha256], [victim.pid, digest("agent")]);
  });

  rmSync(join(lab.folder, "go"));
  await lab.guarded(async (door) => {
    const victim = lab.run([agent, "connect", door.path]);
    await victim.becomes(agent);
    await open(victim);
    const thief = lab.run([steals, String(victim.pid), join(lab.folder, "go")]);
    await thief.receive((message) => message["stolen"] === true);
    lab.put("go", "");
    await door.turnedAway("ERR_SENDER_OTHER");
    await door.neverReached(/injected/);
  });
});

attack(it, "who connected dies, and a child of it goes on", async (lab) => {
  const dies = lab.program("dies");
  const assault = (path: string) => lab.run([dies, path]);

  await lab.naively(async (door) => {
    await assault(door.path).exit;
    const caller = await door.caller();
    // Nothing but the account is left to look at, and that is right: who goes by it is served.
    assert.equal([caller.uid, (await caller.look()).exe], [lab.person.uid, undefined]);
    assert.match(await caller.line(), /initialize/);
    caller.answer();
    assert.match(await caller.line(), /injected/);
  });

  await lab.guarded(async (door) => {
    await door.whileHeldUp(async () => {
      await assault(door.path).exit;
    });
    await door.turnedAway("ERR_PEER_GONE");
    await door.neverReached(/initialize|injected/);
  });
});

attack(it, "the agent gets the number of who connected and died", async (lab) => {
  const [agent, dies, takes] = [lab.program("agent"), lab.program("dies"), lab.program("takes-pid")];
  /** Root chooses the number, so that the test need not wait until it comes round; the rest is the person's. */
  const reuse = async (attacker: Actor) => {
    await attacker.exit;
    lab.run([takes, String(attacker.pid), ...lab.person.prefix, agent, "idle"], { person: SELF });
  };

  await lab.naively(async (door) => {
    const attacker = lab.run([dies, door.path]);
    await reuse(attacker);
    const caller = await door.caller();
    await waitUntil(async () => (await caller.look()).exe === agent);
    assert.equal([caller.pid, (await caller.look()).sha256], [attacker.pid, digest("agent")]);
    assert.match(await caller.line(), /initialize/);
    caller.answer();
    assert.match(await caller.line(), /injected/);
  });

  await lab.guarded(async (door) => {
    await door.whileHeldUp(async () => {
      const attacker = lab.run([dies, door.path]);
      await reuse(attacker);
      await waitUntil(() => exeOf(attacker.pid) === agent);
    });
    await door.turnedAway("ERR_PEER_GONE");
    await door.neverReached(/initialize|injected/);
  });
}, { unless: () => ROOT_RUNS ? "" : "only root may choose a process number" });

it.run();
