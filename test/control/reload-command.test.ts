/** `mcp-guard reload`: the same as SIGHUP, with an answer. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "../sessions/audit-command.ts";
import { type Listening, open, type Peer, withListener } from "../sessions/listening.ts";
import { withPuppet } from "../sessions/puppet.ts";
import { ask, ownControlFolder, socketOf, typed } from "./asked.ts";

const FOLDER = ownControlFolder();
const OPEN = "version: 1\nname: before\ndefault: allow\n";
const CLOSED = "version: 1\nname: after\ndefault: deny\n";

const write = ({ folder }: { folder: string }, text: string) =>
  writeFileSync(join(folder, "policy.yaml"), text);

async function may(peer: Peer, id: number): Promise<boolean> {
  const answer = await peer.call(id, "echo", {});
  return answer["error"] === undefined && (answer["result"] as JsonRpc)["isError"] !== true;
}

const controls = (guard: Listening) => guard.records().filter((it) => it["type"] === "control");

const reload = suite("mcp-guard reload");

reload(
  "a stricter policy counts at once for whoever is here; the log says who asked, and then what was loaded",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      assert.ok(await may(peer, 1));
      write(guard, CLOSED);
      const { code, out, err } = await typed("reload", "before", "--json");
      assert.is(code, 0, err);
      const [answer] =
        (JSON.parse(out) as { guards: { policy: JsonRpc; same: boolean; pid: number }[] }).guards;
      assert.is(answer!.pid, guard.pid);
      assert.is(answer!.policy["name"], "after");
      assert.is(answer!.same, false);
      assert.not(await may(peer, 2));
      const types = guard.records().map((it) => it["type"]);
      assert.ok(types.indexOf("control") < types.indexOf("policy-loaded"));
      assert.equal(controls(guard).map((it) => it["detail"]), [{ action: "reload-policy" }]);
      assert.match((await typed("reload", "--all")).out, /^before \(\d+\): the same policy\n$/);
      peer.socket.destroy();
      await verifyUnaltered(guard.audit);
    }, { policy: OPEN })),
);

reload(
  "a guard of standard streams loads it, too",
  limited(60_000, () =>
    withPuppet({ policy: OPEN }, async (guard) => {
      await socketOf(FOLDER, guard.pid);
      write(guard, CLOSED);
      assert.is((await typed("reload", "before")).code, 0);
      const answer = await guard.call("echo", {});
      assert.ok(answer["error"] !== undefined || (answer["result"] as JsonRpc)["isError"] === true);
    })),
);

reload(
  "with errors nothing changes, the errors are shown with their places, and the exit code says so",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      write(guard, "version: 1\nname: broken\ndefualt: deny\nrules: 7\n");
      const { code, err } = await typed("reload", "before");
      assert.is(code, 1);
      assert.match(err, /goes on as before/);
      assert.match(err, /policy\.yaml:3/);
      assert.match(err, /policy\.yaml:4/);
      assert.ok(await may(peer, 1));
      const json = await typed("reload", "before", "--json");
      assert.is(json.code, 1);
      assert.match(JSON.parse(json.out).guards[0].refused, /defualt/);
      peer.socket.destroy();
    }, { policy: OPEN })),
);

reload(
  "a guard without a policy has nothing to load, and says so",
  limited(60_000, () =>
    withListener(async () => {
      const { code, err } = await typed("reload", "--all");
      assert.is(code, 1);
      assert.match(err, /no policy file/);
    })),
);

reload(
  "many at once come out one after the other, and the last text counts",
  limited(60_000, () =>
    withListener(async (guard) => {
      const socket = await socketOf(FOLDER, guard.pid);
      const asked: Promise<{ status: number }>[] = [];
      for (let i = 0; i < 10; i++) {
        write(guard, i % 2 === 0 ? CLOSED : OPEN);
        asked.push(ask(socket, "POST", "/reload"));
      }
      assert.equal(
        (await Promise.all(asked)).map(({ status }) => status),
        Array.from({ length: 10 }, () => 200),
      );
      const { text } = await ask(socket, "GET", "/sessions");
      assert.is(JSON.parse(text).policy.name, "before");
      await waitUntil(() => controls(guard).length === 10);
    }, { policy: OPEN })),
);

for (
  const [args, code, said] of [
    [["reload"], 2, /./],
    [["reload", "--all", "files"], 2, /./],
    [["reload", "--all"], 1, /No guard runs/],
    [["reload", "files"], 1, /No guard of 'files' runs/],
  ] as const
) {
  reload(`'${args.join(" ")}' where no guard runs: exit code ${code}`, async () => {
    const done = await typed(...args);
    assert.is(done.code, code);
    assert.match(done.err, said);
  });
}

reload.run();
