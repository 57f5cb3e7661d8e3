/** `mcp-guard sessions`: who uses guarded servers, and a session ended. */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "../sessions/audit-command.ts";
import { type Listening, open, serversOf, withListener } from "../sessions/listening.ts";
import { withPuppet } from "../sessions/puppet.ts";
import { ask, ownControlFolder, socketOf, typed } from "./asked.ts";

const FOLDER = ownControlFolder();
const POLICY = "version: 1\nname: puppet\ndefault: allow\n";
const OWN_SHA256 = createHash("sha256").update(readFileSync(readlinkSync("/proc/self/exe"))).digest("hex");

interface Listed {
  readonly name: string;
  readonly pid: number;
  readonly listen: string[];
  readonly policy?: JsonRpc;
  readonly sessions: {
    readonly id: string;
    readonly calls: number;
    readonly pending: number;
    readonly grade: string;
    readonly who: {
      readonly pid: number;
      readonly uid: number;
      readonly executable: { readonly sha256: string };
    };
  }[];
}

async function listed(): Promise<Listed[]> {
  const { code, out, err } = await typed("sessions", "--json");
  assert.is(code, 0, err);
  return (JSON.parse(out) as { guards: Listed[] }).guards;
}

const ofType = (guard: Listening, type: string) => guard.records().filter((it) => it["type"] === type);

const sessions = suite("mcp-guard sessions");

sessions(
  "lists a guard that listens and each of its sessions with its evidence",
  limited(60_000, () =>
    withListener(async (guard) => {
      assert.is((await listed())[0]!.sessions.length, 0);
      const [one, two] = [await open(guard.path), await open(guard.path)];
      await one.call(1, "echo", { n: 1 });
      await one.call(2, "echo", { n: 2 });
      two.send({ jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "hold", arguments: {} } });
      await waitUntil(async () => (await listed())[0]!.sessions.some(({ pending }) => pending > 0));
      const [found, ...others] = await listed();
      assert.is(others.length, 0);
      assert.is(found!.pid, guard.pid);
      assert.is(found!.name, "puppet");
      assert.equal(found!.listen, [`unix:${guard.path}`]);
      assert.match(String(found!.policy!["sha256"]), /^[0-9a-f]{64}$/);
      const known = found!.sessions;
      assert.equal(known.map(({ pending }) => pending), [0, 1]);
      assert.ok(known[0]!.calls > known[1]!.calls);
      assert.equal(known.map(({ who }) => who.pid), [process.pid, process.pid]);
      assert.equal(known.map(({ who }) => who.executable.sha256), [OWN_SHA256, OWN_SHA256]);
      assert.equal(known.map(({ id }) => id), ofType(guard, "session-start").map((it) => it["session"]));
      const { out } = await typed("sessions");
      for (const part of [`guard ${guard.pid}`, "policy puppet", known[0]!.id, OWN_SHA256.slice(0, 16)]) {
        assert.ok(out.includes(part), `${part} in ${out}`);
      }
      for (const { socket } of [one, two]) socket.destroy();
      await waitUntil(async () => (await listed())[0]!.sessions.length === 0);
    }, { policy: POLICY })),
);

sessions(
  "lists a guard of standard streams, which has no policy",
  limited(60_000, () =>
    withPuppet({}, async (guard) => {
      await socketOf(FOLDER, guard.pid);
      const [found] = await listed();
      assert.equal(found!.listen, []);
      assert.is(found!.policy, undefined);
      assert.is(found!.sessions[0]!.who.pid, process.pid);
      assert.match((await typed("sessions")).out, /no policy\s+standard streams/);
      await guard.call("echo", { still: "here" });
    })),
);

sessions(
  "--end ends that session and no other; its peer is told, and the log says who asked",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [stays, goes] = [await open(guard.path), await open(guard.path)];
      goes.send({ jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "hold", arguments: {} } });
      await waitUntil(async () => (await listed())[0]!.sessions[1]!.pending === 1);
      const { id } = (await listed())[0]!.sessions[1]!;
      const { code, out } = await typed("sessions", "--end", id);
      assert.is(code, 0);
      assert.is(out, `Ended ${id} of puppet\n`);
      const told = await goes.receive((message) => message["id"] === 3);
      assert.type(told["error"], "object");
      await goes.closed;
      await stays.call(1, "echo", {});
      const [control] = ofType(guard, "control") as { detail: JsonRpc; who: { pid: number; uid: number } }[];
      assert.equal(control!.detail, { action: "end-session", target: id });
      assert.is(control!.who.uid, process.getuid?.());
      assert.is.not(control!.who.pid, process.pid);
      const [end] = ofType(guard, "session-end");
      assert.is(end!["session"], id);
      assert.is((end!["detail"] as JsonRpc)["reason"], "ended-by-owner");
      // Asked once more, there is none.
      const again = await typed("sessions", "--end", id);
      assert.is(again.code, 1);
      assert.match(again.err, /No session/);
      assert.is(ofType(guard, "control").length, 1);
      stays.socket.destroy();
      await verifyUnaltered(guard.audit);
    }, { policy: POLICY })),
);

sessions(
  "--end at a shared server leaves the server and the others",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [stays, goes] = [await open(guard.path), await open(guard.path)];
      const before = serversOf(guard);
      assert.is(before.length, 1);
      const { id } = (await listed())[0]!.sessions[1]!;
      assert.is((await typed("sessions", "--end", id, "--json")).code, 0);
      await goes.closed;
      await stays.call(1, "echo", {});
      assert.equal(serversOf(guard), before);
      stays.socket.destroy();
    }, { policy: `${POLICY}session: {children: shared}\n` })),
);

sessions(
  "nothing of what was said is told, and no token",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      const answer = await peer.call(1, "echo", { marker: "xyzzy-1" });
      assert.match(JSON.stringify(answer), /xyzzy-1/);
      const socket = await socketOf(FOLDER, guard.pid);
      for (const path of ["/sessions", "/metrics", "/jwks.json"]) {
        const { status, text } = await ask(socket, "GET", path);
        assert.is(status, 200);
        assert.not.match(text, /xyzzy|eyJ|"d":/, path);
      }
      peer.socket.destroy();
    }, { policy: `${POLICY}session: {token: {issue: initialize, ttl: 1m}}\n` })),
);

for (
  const [args, code, said] of [
    [["sessions"], 0, /No guard runs/],
    [["sessions", "files"], 1, /No guard of 'files' runs/],
    [["sessions", "--end", "abc"], 1, /No session 'abc' runs/],
    [["sessions", "--end", "../x"], 2, /--end takes a session's id/],
    [["sessions", "a", "b"], 2, /./],
    [["sessions", "/nowhere/s.sock"], 1, /no socket of ours/],
  ] as const
) {
  sessions(`'${args.join(" ")}' where no guard runs: exit code ${code}`, async () => {
    const done = await typed(...args);
    assert.is(done.code, code, done.err);
    assert.match(done.err, said);
  });
}

sessions.run();
