/** Which program runs: its path tells where to look, and what lies there may be something else. */
import { mkdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { digestOf, exeOf } from "./naive.ts";
import { attack, type Lab } from "./tools/lab.ts";
import { serve } from "./tools/naive-door.ts";
import { ROOT_RUNS, SELF } from "./tools/people.ts";
import { digest } from "./tools/programs.ts";

const it = suite("which program runs");

attack(it, "a program whose file was deleted, and the agent put where the path then points", async (lab) => {
  // The kernel says '/…/tool (deleted)', and a file may be called so.
  const tool = lab.program("impostor", "tool");
  const assault = (path: string) => {
    const attacker = lab.run([lab.program("impostor", "tool"), path]);
    return { attacker, swap: () => (rmSync(tool), lab.program("agent", "tool (deleted)")) };
  };

  await lab.naively(async (door) => {
    const { swap } = assault(door.path);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("impostor"));
    const named = swap();
    const seen = await caller.look();
    assert.equal([seen.exe, seen.sha256], [named, digest("agent")]);
    await serve(caller);
  });

  await lab.guarded(async (door) => {
    await door.whileHeldUp(async () => {
      const { attacker, swap } = assault(door.path);
      await attacker.becomes(tool);
      swap();
    });
    const { reasons, evidence } = await door.turnedAway("ERR_PEER_REFUSED");
    assert.match(String(reasons), /its executable's digest/);
    assert.is((evidence as { kind: string }).kind, "native", "it was measured, and it is another");
    await door.neverReached(/initialize|injected/);
  });
});

attack(it, "a program in memory, with the agent put where its path points", async (lab) => {
  const from = lab.program("from-memory");
  const impostor = lab.program("impostor");
  const assault = (path: string) => lab.run([from, "claude", impostor, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    // No file is there to look at; its name is whatever the attacker liked.
    assert.equal([seen.exe, seen.sha256], ["/memfd:claude (deleted)", undefined]);
    assert.match(String(seen.exe), /claude/);
    await serve(caller);
  });

  await lab.refuses(assault, /its executable's digest/);
});

attack(it, "an executable of a tebibyte", async (lab) => {
  const huge = lab.program("impostor", "huge");
  truncateSync(huge, 2 ** 40);
  const assault = (path: string) => lab.run([huge, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const { pid } = await door.caller();
    assert.is(exeOf(pid), huge);
    const patience = AbortSignal.timeout(1_000);
    assert.equal([await digestOf(huge, patience), patience.aborted], [undefined, true]);
  });

  await lab.refuses(assault, /the kind of its program.*exe-too-big|exe-too-big/);
});

attack(it, "a file system that gives the kernel other bytes to run than it shows", async (lab) => {
  await withTwoFaced(lab, async (agent) => {
    await lab.naively(async (door) => {
      lab.run([agent, door.path]);
      const caller = await door.caller();
      const seen = await caller.look();
      assert.equal([seen.exe, seen.sha256], [agent, digest("agent")]);
      await serve(caller);
    });
  });

  await withTwoFaced(
    lab,
    (agent) => lab.refuses((path) => lab.run([agent, path]), /exe-untrusted-fs|exe-unreadable/),
  );
}, { unless: () => ROOT_RUNS ? "" : "only root mounts a FUSE file system without fusermount" });

it.run();

/** Lends such a file: who runs it runs the impostor, who reads it reads the agent. */
async function withTwoFaced(lab: Lab, use: (agent: string) => Promise<void>): Promise<void> {
  const folder = join(lab.folder, "mounted");
  mkdirSync(folder, { recursive: true });
  const faces = [lab.program("impostor"), lab.program("agent")];
  const server = lab.run([lab.program("two-faced"), folder, String(lab.person.uid), ...faces], {
    person: SELF,
  });
  await server.receive((message) => message["mounted"] === true);
  try {
    await use(join(folder, "agent"));
  } finally {
    server.end();
    await server.exit;
  }
}
