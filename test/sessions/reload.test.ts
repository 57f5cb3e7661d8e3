/** SIGHUP to a guard that listens: the policy is loaded once more, and nobody who is here gains by it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { connectTo, type Listening, open, type Peer, serversOf, withListener } from "./listening.ts";

const it = suite("SIGHUP");

function policyOf(tools: readonly string[], more = ""): string {
  return `version: 1\nname: reloaded\nrules: [{name: some, tools: [${
    tools.join(", ")
  }], effect: allow}]\n${more}`;
}

/** Puts another policy in its place, and waits until the guard has said what it makes of it. */
async function reload(guard: Listening, text: string): Promise<string> {
  writeFileSync(join(guard.folder, "policy.yaml"), text);
  const before = guard.stderr().length;
  process.kill(guard.pid, "SIGHUP");
  const said = (): string => guard.stderr().slice(before);
  await waitUntil(() => /is loaded:|is not loaded,/.test(said()), 10_000);
  return said();
}

/** Whether the peer may have this tool called. */
async function may(peer: Peer, id: number, tool: string): Promise<boolean> {
  const answer = await peer.call(id, tool, { lines: [] });
  return (answer["result"] as JsonRpc)["isError"] !== true;
}

async function shown(peer: Peer, id: number): Promise<string[]> {
  const { tools } = (await peer.request(id, "tools/list"))["result"] as { tools: { name: string }[] };
  return tools.map(({ name }) => name);
}

it(
  "what the new policy denies is denied to whoever is here, and the list says so",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      assert.equal(await shown(peer, 1), ["echo", "say"]);
      assert.ok(await may(peer, 2, "echo"));
      await reload(guard, policyOf(["say"]));
      await peer.receive((message) => message["method"] === "notifications/tools/list_changed");
      assert.equal(await shown(peer, 3), ["say"]);
      assert.not(await may(peer, 4, "echo"));
      // The same once more changes nothing, and announces nothing.
      assert.match(await reload(guard, policyOf(["say"])), /is loaded: the same/);
      assert.not(await may(peer, 5, "echo"));
      assert.is(peer.lines.filter((line) => line.includes("list_changed")).length, 1);
    }, { policy: policyOf(["echo", "say"]) })),
);

it(
  "what it allows beyond the one before is allowed to whoever comes, and to nobody who is here",
  limited(60_000, () =>
    withListener(async (guard) => {
      const early = await open(guard.path);
      await reload(guard, policyOf(["echo", "say"]));
      const late = await open(guard.path);
      assert.equal([await may(early, 1, "echo"), await may(late, 1, "echo")], [false, true]);
      assert.equal([await shown(early, 2), await shown(late, 2)], [["say"], ["echo", "say"]]);
      // What was taken away meanwhile does not come back by way of a third.
      await reload(guard, policyOf(["learn"]));
      await reload(guard, policyOf(["echo", "say"]));
      assert.equal([await may(early, 3, "echo"), await may(early, 4, "say")], [false, true]);
    }, { policy: policyOf(["say"]) })),
);

it(
  "whom it does not admit is told so, and gone",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      const waiting = peer.request(7, "tools/call", { name: "hold", arguments: {} });
      await waitUntil(() => guard.records().some((record) => record["name"] === "hold"));
      await reload(
        guard,
        policyOf(["hold"], `clients: [{name: other, executable: {sha256: ${"a".repeat(64)}}}]\n`),
      );
      assert.match(JSON.stringify((await waiting)["error"]), /no longer admitted/);
      await waitUntil(() => serversOf(guard).length === 0, 10_000);
      const ended = () => guard.records().filter((record) => record["type"] === "session-end");
      await waitUntil(() => ended().length > 0);
      assert.equal(ended().map((record) => (record["detail"] as JsonRpc)["reason"]), ["policy-changed"]);
      const late = await connectTo(guard.path);
      const answer = await late.request(0, "initialize", {});
      assert.is((answer["error"] as JsonRpc)["code"], 1004);
    }, { policy: policyOf(["hold"]) })),
);

it(
  "an account that goes on to be admitted stays",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      await reload(guard, policyOf(["echo"], "clients: [{name: me, uid: self}]\n"));
      assert.ok(await may(peer, 1, "echo"));
      await reload(guard, policyOf(["echo"], "clients: [{name: myself, uid: self}]\n"));
      await waitUntil(() => guard.records().some((record) => record["type"] === "session-end"), 10_000);
    }, { policy: policyOf(["echo"], "clients: [{name: me, uid: self}]\n") })),
);

it(
  "a policy with errors changes nothing",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      const said = await reload(guard, policyOf(["echo"]).replace("effect: allow", "effect: maybe"));
      assert.match(said, /is not loaded, and what counted goes on to count: .*policy\.yaml:3:\d+/s);
      assert.equal([await may(peer, 1, "echo"), await may(peer, 2, "say")], [true, false]);
      assert.ok(await may(await open(guard.path), 1, "echo"));
    }, { policy: policyOf(["echo"]) })),
);

it(
  "the log names the policy that each record is under, and stays whole",
  limited(60_000, () =>
    withListener(async (guard) => {
      const early = await open(guard.path);
      await reload(guard, policyOf(["say"], "session: {max_sessions: 2}\n"));
      const late = await open(guard.path);
      await Promise.all([may(early, 1, "say"), may(late, 1, "say")]);
      const third = await connectTo(guard.path);
      await new Promise((resolve) => third.socket.once("close", resolve));
      const records = guard.records();
      const loaded = records.find((record) => record["type"] === "policy-loaded")!;
      const [first, second] = records.filter((record) => record["type"] === "session-start");
      assert.is((loaded["detail"] as JsonRpc)["before"], first!["policy"]);
      assert.is(loaded["policy"], second!["policy"]);
      assert.is.not(first!["policy"], second!["policy"]);
      await verifyUnaltered(guard.audit);
    }, { policy: policyOf(["echo", "say"]) })),
);

it(
  "whoever comes under a policy that shares the server shares it, and whoever is here keeps its own",
  limited(60_000, () =>
    withListener(async (guard) => {
      const here = await open(guard.path);
      await reload(guard, policyOf(["echo"], "session: {children: shared}\n"));
      const come = [await open(guard.path), await open(guard.path)];
      assert.is(serversOf(guard).length, 2);
      for (const peer of [here, ...come]) assert.ok(await may(peer, 1, "echo"));
      for (const { socket } of [here, ...come]) socket.destroy();
    }, { policy: policyOf(["echo"]) })),
);

it.run();
