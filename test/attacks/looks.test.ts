/** Processes that the kernel shows nothing of, or not to everybody: what is left to look at is a name. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attack } from "./tools/lab.ts";
import { serve } from "./tools/naive-door.ts";
import { ROOT_RUNS } from "./tools/people.ts";
import { digest } from "./tools/programs.ts";

const it = suite("processes that cannot be looked at");

attack(it, "one whose first thread has ended", async (lab) => {
  const assault = (path: string) => lab.run([lab.program("leaderless"), path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const { exe, sha256, comm } = await caller.look();
    assert.equal([exe, sha256, comm], [undefined, undefined, "claude"]);
    await serve(caller);
  });

  await lab.refuses(assault, /exe-unreadable:ENOENT/);
});

attack(it, "one that closed itself to looks (PR_SET_DUMPABLE)", async (lab) => {
  const assault = (path: string) => lab.run([lab.program("undumpable"), path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const { exe, comm } = await caller.look();
    // Whoever runs the tests looks: root sees it nevertheless.
    assert.equal([exe === undefined, comm], [!ROOT_RUNS, "claude"]);
    await serve(caller);
  });

  await lab.refuses(assault, lab.person.uid === 0 ? /its executable's digest/ : /unreadable:EACCES/);
});

attack(it, "one that is being traced, and writes what its tracer wants", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("interferes"), agent, "connect", path]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    assert.equal([seen.exe, seen.sha256], [agent, digest("agent")]);
    attacker.tell({ jsonrpc: "2.0", id: 1, method: "ping", params: { harmless: 1 } });
    assert.match(await caller.line(), /injected/);
  });

  await lab.refuses(assault, /traced-by/);
});

it.run();
