/** `session: {children: shared}`: one server for several peers, none of whom notices the others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JsonRpc, limited } from "../harness.ts";
import { descendantsOf } from "./processes.ts";
import { type Listening, open, withListener } from "./listening.ts";
import { textOf } from "./puppet.ts";

const POLICY = "version: 1\nname: puppet\nsession: {children: shared}\ndefault: allow\n";

const shared = suite("children: shared");

/** What reached the server so far, as messages. */
function received(guard: Listening): JsonRpc[] {
  const text = readFileSync(join(guard.folder, "received"), "utf8");
  return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line) as JsonRpc
  );
}

function servers(guard: Listening): number[] {
  return descendantsOf(guard.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("puppet.mjs");
    } catch {
      return false;
    }
  });
}

shared(
  "one process, one initialize, one initialized; each peer hears its own answers under its own ids",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peers = await Promise.all([open(guard.path), open(guard.path), open(guard.path)]);
      assert.is(servers(guard).length, 1);
      await Promise.all(peers.flatMap((peer, who) =>
        Array.from({ length: 50 }, async (_, index) => {
          const id = index % 2 === 0 ? index + 1 : `${index + 1}`;
          const answer = await peer.call(id, "echo", { text: `${who}-${index}` });
          assert.is(textOf(answer), JSON.stringify({ text: `${who}-${index}` }));
        })
      ));
      const methods = received(guard).map((it) => it["method"]);
      for (const once of ["initialize", "notifications/initialized"]) {
        assert.is(methods.filter((it) => it === once).length, 1, once);
      }
      for (const { socket } of peers) socket.destroy();
    }, { policy: POLICY })),
);

shared.run();
