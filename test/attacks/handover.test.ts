/** Connections that change hands: the kernel names who connected, for ever, whoever holds the other end now. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { waitUntil } from "../harness.ts";
import { ROOT_RUNS, SELF } from "./tools/people.ts";
import { attack, type Lab } from "./tools/lab.ts";
import type { NaiveDoor } from "./tools/naive-door.ts";
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

attack(it, "a connection is passed on with SCM_RIGHTS", async (lab) => {
  const agent = lab.program("agent");
  const go = join(lab.folder, "go");
  const assault = (path: string) => lab.run([lab.program("hands-over"), path, go, agent, "kept"]);

  await lab.naively((door) => speakInTurn(lab, door, assault(door.path), agent));
});

attack(it, "a program that the agent starts inherits its connection", async (lab) => {
  const agent = lab.program("agent");
  const child = [lab.program("speaks-up"), join(lab.folder, "go")];
  const assault = (path: string) => lab.run([agent, "connect", path, ...child]);

  await lab.naively((door) => speakInTurn(lab, door, assault(door.path), agent));
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
}, { unless: () => ROOT_RUNS ? "" : "only root may choose a process number" });

it.run();
