/** A process in a namespace of its own decides what others are told of it: no right is needed to make one. */
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { admitting } from "./tools/guarded-door.ts";
import { attack } from "./tools/lab.ts";
import { serve } from "./tools/naive-door.ts";
import type { Person } from "./tools/people.ts";
import { digest } from "./tools/programs.ts";

const it = suite("namespaces");

/** Whether this person may make a user namespace: some distributions forbid it. */
function unlessOwnNamespace({ prefix }: Person): string {
  const command = [...prefix, "unshare", "-Urm", "true"];
  return spawnSync(command[0]!, command.slice(1), { cwd: "/" }).status === 0
    ? ""
    : "'unshare -Urm' is not allowed here";
}

attack(it, "another program's name on /proc/PID/exe (PR_SET_MM_MAP in a user namespace)", async (lab) => {
  const agent = lab.program("agent");
  const assault = (path: string) => lab.run([lab.program("masquerade"), agent, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    assert.equal([seen.exe, seen.sha256, seen.uid], [agent, digest("agent"), lab.person.uid]);
    assert.match(await caller.line(), /initialize/);
    assert.match(await caller.line(), /injected/);
  });

  await lab.refuses(assault, /user-namespace-other/);
}, { unless: unlessOwnNamespace });

attack(it, "another program mounted over the agent's, for its own eyes", async (lab) => {
  const [agent, impostor] = [lab.program("agent"), lab.program("impostor")];
  const mount = 'mount --bind "$1" "$2" && exec "$2" "$3"';
  const assault = (path: string) =>
    lab.run(["unshare", "-Urm", "sh", "-c", mount, "sh", impostor, agent, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    // Its mount shows the impostor at this path; ours the agent.
    assert.equal([seen.exe, seen.sha256], [agent, digest("agent")]);
    await serve(caller);
  });

  await lab.refuses(assault, /user-namespace-other/);
}, { unless: unlessOwnNamespace });

attack(it, "the same in a mount namespace alone", async (lab) => {
  const [agent, impostor] = [lab.program("agent"), lab.program("impostor")];
  const mount = 'mount --bind "$1" "$2" && exec "$2" "$3"';
  const assault = (path: string) =>
    lab.run(["unshare", "-m", "sh", "-c", mount, "sh", impostor, agent, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("agent"));
    await serve(caller);
  });

  await lab.refuses(assault, /its executable's digest/);
}, { unless: ({ uid }) => uid === 0 ? "" : "only root mounts without a user namespace" });

attack(it, "the agent in a pid namespace", async (lab) => {
  const agent = lab.program("agent");
  const start = (path: string) => lab.run(["unshare", "-p", "-f", "--kill-child", agent, "connect", path]);

  await lab.naively(async (door) => {
    start(door.path);
    const caller = await door.caller();
    assert.is((await caller.look()).sha256, digest("agent"), "the kernel tells its number as we count");
  });

  await lab.guarded(async (door) => {
    start(door.path);
    assert.is(((await door.admitted())["evidence"] as { ns_pid: string }).ns_pid, "other");
  });
  await lab.guarded(async (door) => {
    start(door.path);
    assert.match(String((await door.turnedAway("ERR_PEER_REFUSED"))["reasons"]), /ns:pid/);
  }, admitting(digest("agent"), '    forbid: ["ns:pid:other"]\n'));
}, { unless: ({ uid }) => uid === 0 ? "" : "only root makes a pid namespace without a user namespace" });

it.run();
