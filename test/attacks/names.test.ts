/** What a program is called: whatever whoever starts it likes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processListHas } from "./naive.ts";
import { attack } from "./tools/lab.ts";
import { call, open } from "./tools/opening.ts";
import { serve } from "./tools/naive-door.ts";
import { digest } from "./tools/programs.ts";

const it = suite("what a program is called");

attack(it, "a program in a file named like the agent", async (lab) => {
  const claude = lab.program("impostor", "claude");
  const assault = (path: string) => lab.run([claude, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const { comm, cmdline, sha256 } = await caller.look();
    assert.equal([comm, cmdline], ["claude", `${claude} ${door.path}`]);
    assert.ok(processListHas("claude"));
    assert.is(sha256, digest("impostor"), "not even the naive digest is fooled by a name");
    await serve(caller);
  });

  await lab.refuses(assault, /its executable's digest/);
});

attack(it, "a program that gives itself another name", async (lab) => {
  const assault = (path: string) => lab.run([lab.program("impostor"), path, "claude"]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    assert.match(await caller.line(), /initialize/);
    const { comm, cmdline } = await caller.look();
    assert.equal([comm, cmdline?.split(" ")[0]], ["claude", "claude"]);
    caller.answer();
    assert.match(await caller.line(), /injected/);
  });

  await lab.refuses(assault, /its executable's digest/);
});

attack(it, "the agent itself under another name", async (lab) => {
  const renamed = lab.program("agent", "plain-tool");
  const start = (path: string) => lab.run([renamed, "connect", path]);

  await lab.naively(async (door) => {
    start(door.path);
    const { comm, cmdline } = await (await door.caller()).look();
    assert.not.match(`${comm} ${cmdline}`, /claude|agent connect/, "who goes by names sends it away");
  });

  await lab.guarded(async (door) => {
    const agent = start(door.path);
    await open(agent);
    assert.match(JSON.stringify(await call(agent, "as myself")), /as myself/);
    const { client, admittedAt } = await door.admitted();
    assert.equal([client, admittedAt], ["agent", "measured"]);
  });
});

it.run();
