/** Stdin: who made it is not who writes into it, nor is who started us. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { digestOf, exeOf, look } from "./naive.ts";
import { admitting, guardedCommand } from "./tools/guarded-door.ts";
import { attack, type Lab } from "./tools/lab.ts";
import { open } from "./tools/opening.ts";
import { heard, startOf } from "./tools/naive-guard.ts";
import { digest } from "./tools/programs.ts";

const it = suite("stdin");

/** Somebody makes a socketpair and becomes the agent; a child of his speaks, when he says. */
const launder = (lab: Lab, agent: string, when: string, how: string, command: readonly string[]) =>
  lab.run([lab.program("launders-stdin"), when, agent, how, "--", ...command]);

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

    const record = join(lab.folder, "record");
    const attacker = launder(lab, agent, go, how, [lab.program("naive-guard"), record]);
    const { peer, parent } = await startOf(record);
    assert.equal([peer, parent], [attacker.pid, attacker.pid]);
    assert.is((await look({ pid: peer, uid: lab.person.uid })).sha256, digest("agent"));
    if (when === "go") {
      attacker.tell({ jsonrpc: "2.0", id: 1, method: "ping", params: { harmless: 1 } });
      await heard(record, /harmless/);
      lab.put("go", "");
    }
    await heard(record, /injected/);

    lab.put("go", "");
    rmSync(join(lab.folder, "go"));
    const guard = guardedCommand(lab, admitting(digest("agent")));
    const second = launder(lab, agent, go, how, guard.command);
    guard.startedBy(second);
    if (when === "go") {
      await open(second);
      await guard.reached(/initialize/);
      lab.put("go", "");
    }
    await guard.turnedAway(when === "early" ? "ERR_PEER_UNPROVEN" : "ERR_SENDER_OTHER");
    await guard.neverReached(/injected/);
  });
}

attack(it, "a pipe that is opened once more through /proc", async (lab) => {
  const [agent, reopens] = [lab.program("agent"), lab.program("reopens")];

  const record = join(lab.folder, "record");
  const victim = lab.run([agent, "pipes", lab.program("naive-guard"), record]);
  const { peer, parent } = await startOf(record);
  assert.equal([peer, parent], [0, victim.pid]);
  assert.is(await digestOf(exeOf(parent) ?? ""), digest("agent"));
  assert.is(await lab.run([reopens, String(victim.pid)]).exit, 0);
  await heard(record, /injected/);
});

attack(it, "a socket that cannot be opened once more", async (lab) => {
  const [agent, reopens] = [lab.program("agent"), lab.program("reopens")];
  const record = join(lab.folder, "record");
  const victim = lab.run([agent, "socket", lab.program("naive-guard"), record]);
  assert.is((await startOf(record)).peer, victim.pid);
  const attacker = lab.run([reopens, String(victim.pid)]);
  assert.is(await attacker.exit, 70);
  assert.match(attacker.stderr, /No such device or address/);
});

it.run();
