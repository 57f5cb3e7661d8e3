/** A guard that listens: one server for each peer, and nobody else's answers. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, type JsonRpc, limited, skipUnless, waitUntil } from "../harness.ts";
import { verifyUnaltered } from "./audit-command.ts";
import { descendantsOf, isAlive } from "./processes.ts";
import { open, serversOf, withListener } from "./listening.ts";
import { NODE } from "./puppet.ts";

const door = suite("run --listen unix:");

door(
  "peers with equal ids have servers of their own and hear only their own answers",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peers = await Promise.all([open(guard.path), open(guard.path), open(guard.path)]);
      assert.is(serversOf(guard).length, 3);
      await Promise.all(peers.flatMap((peer, who) =>
        Array.from({ length: 50 }, async (_, index) => {
          const text = `${who}-${index}`;
          const answer = await peer.request(index + 1, "tools/call", { name: "echo", arguments: { text } });
          assert.match(JSON.stringify(answer["result"]), new RegExp(`${text}\\\\?"`));
        })
      ));
      for (const { socket } of peers) socket.destroy();
      await waitUntil(() => guard.records().filter((it) => it["type"] === "session-end").length === 3);
      const sessions = guard.records().filter((it) => it["type"] === "session-start");
      assert.is(new Set(sessions.map((it) => it["session"])).size, 3);
    })),
);

door(
  "a peer that leaves takes its server with it, and no other",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [stays, leaves] = await Promise.all([open(guard.path), open(guard.path)]);
      const servers = () => serversOf(guard);
      assert.is(servers().length, 2);
      leaves.socket.destroy();
      await waitUntil(() => servers().length === 1, 10_000);
      const answer = await stays.request(7, "ping");
      assert.equal(answer["result"], {});
      stays.socket.destroy();
    })),
);

door(
  "a signal ends all sessions, the socket goes, the log is whole",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await open(guard.path);
      const all = descendantsOf(guard.pid);
      process.kill(guard.pid, "SIGTERM");
      assert.is(await guard.exit, 0);
      await waitUntil(() => !all.some(isAlive), 5_000);
      assert.not(existsSync(guard.path));
      await verifyUnaltered(guard.audit);
      peer.socket.destroy();
    })),
);

door(
  "another user gets nothing, not even an answer, and costs no server",
  limited(60_000, () =>
    withListener(async (guard) => {
      if (skipUnless(process.getuid?.() === 0, "needs root")) return;
      // The folder keeps others out; here it is opened, to see that it is not all that does.
      for (const path of [guard.folder, join(guard.folder, "door")]) chmodSync(path, 0o711);
      chmodSync(guard.path, 0o666);
      const script = `
        const socket = require("net").connect(process.argv[1]);
        socket.on("connect", () => socket.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\\n'));
        let bytes = 0;
        socket.on("data", (it) => bytes += it.length).on("error", () => {}).on("close", () => console.log(bytes));
      `;
      const ids = ["--reuid=54399", "--regid=54399", "--clear-groups"];
      const stranger = spawn("setpriv", [...ids, NODE, "-e", script, guard.path], {
        stdio: ["ignore", "pipe", "ignore"],
        cwd: "/",
        env: { PATH: process.env["PATH"] },
      });
      let said = "";
      stranger.stdout.setEncoding("utf8").on("data", (text: string) => void (said += text));
      await new Promise((resolve) => stranger.once("close", resolve));
      if (skipUnless(said !== "", "another user cannot run node, or setpriv(1) is missing")) return;
      assert.is(said.trim(), "0");
      const refused = guard.records().filter((it) => it["type"] === "peer-refused") as {
        who: JsonRpc;
        detail: JsonRpc;
      }[];
      assert.equal(refused.map(({ who, detail }) => [who["uid"], detail["code"]]), [[
        54399,
        "ERR_PEER_REFUSED",
      ]]);
      assert.equal(serversOf(guard), []);
    })),
);

door(
  "two guards cannot have one socket",
  limited(60_000, () =>
    withListener(async (guard) => {
      const [program, ...args] = [
        ...guardCommand(),
        "run",
        "--audit",
        join(guard.folder, "2.jsonl"),
        "--listen",
      ];
      const second = spawn(program!, [...args, `unix:${guard.path}`, "--", NODE, "-e", ""], {
        stdio: "pipe",
      });
      let said = "";
      second.stderr.setEncoding("utf8").on("data", (text: string) => void (said += text));
      const code = await new Promise((resolve) => second.once("close", resolve));
      assert.is(code, 1);
      assert.match(said, /another process answers there \[ERR_SOCKET_UNSAFE\]/);
      (await open(guard.path)).socket.destroy();
    })),
);

door.run();
