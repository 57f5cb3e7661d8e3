/** Parents: "is now a descendant of" is all that the kernel says, never "was started by". */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ancestorsOf, digestOf, exeOf } from "./naive.ts";
import { attack } from "./tools/lab.ts";
import { serve } from "./tools/naive-door.ts";
import { digest } from "./tools/programs.ts";

const it = suite("parents");

attack(it, "a parent that became the agent after it made the child", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("launders-parent"), path, agent, "idle"]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    const caller = await door.caller();
    const [parent = 0] = ancestorsOf(caller.pid);
    assert.is(parent, attacker.pid);
    assert.is(await digestOf(exeOf(parent) ?? ""), digest("agent"), "the agent never started it");
    await serve(caller);
  });

  // An honest limit: it is let in where a policy goes by parents, and never as more than that.
  const clients = `  - name: of-agent
    uid: self
    parents: [{executable: {sha256: ${digest("agent")}}}]
`;
  await lab.guarded(async (door) => {
    await door.whileHeldUp(() => assault(door.path).becomes(agent));
    assert.is((await door.admitted())["admittedAt"], "lineage");
  }, clients);
  await lab.refuses(assault, /its executable's digest/);
});

it.run();
