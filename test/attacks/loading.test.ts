/** The right program with somebody else's code in it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync, realpathSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { NODE } from "../sessions/puppet.ts";
import { digestOf } from "./naive.ts";
import { admitting } from "./tools/guarded-door.ts";
import { attack } from "./tools/lab.ts";
import { serve } from "./tools/naive-door.ts";
import { digest } from "./tools/programs.ts";

const it = suite("whose code runs in a program");

const SCRIPT = `
const line = require("net").connect(process.argv[2]);
const say = (it) => line.write(JSON.stringify({ jsonrpc: "2.0", ...it }) + "\\n");
say({ id: "evil-0", method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "agent", version: "1" } } });
line.once("data", () => say({ id: "evil-1", method: "tools/call", params: { name: "echo", arguments: { injected: 1 } } }));
line.on("data", (text) => process.stdout.write(text)).on("close", () => setInterval(() => {}, 1000));
`;

attack(it, "a library that LD_PRELOAD put there, and that takes its name away", async (lab) => {
  const agent = lab.program("agent", "bin/agent");
  const preload = `LD_PRELOAD=${lab.program("preload", "elsewhere/preload.so")}`;
  const assault = (path: string) => lab.run(["env", preload, agent, "connect", path]);

  await lab.naively(async (door) => {
    const attacker = assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    assert.equal([seen.exe, seen.sha256], [agent, digest("agent")]);
    assert.not.match(readFileSync(`/proc/${caller.pid}/environ`, "utf8"), /LD_PRELOAD/);
    attacker.tell({ jsonrpc: "2.0", id: 1, method: "ping", params: { harmless: 1 } });
    assert.match(await caller.line(), /injected/);
  });

  await lab.refuses(assault, /code of the user's is mapped into it/);
});

attack(it, "a script, where the interpreter is what is looked at", async (lab) => {
  const node = realpathSync(execFileSync(NODE, ["-p", "process.execPath"], { encoding: "utf8" }).trim());
  const script = lab.put("script.cjs", SCRIPT);
  const assault = (path: string) => lab.run([node, script, path]);

  await lab.naively(async (door) => {
    assault(door.path);
    const caller = await door.caller();
    const seen = await caller.look();
    assert.equal([seen.exe, seen.sha256], [node, await digestOf(node)]);
    await serve(caller);
  });

  await lab.guarded(async (door) => {
    assault(door.path);
    const { reasons } = await door.turnedAway("ERR_PEER_REFUSED");
    assert.match(String(reasons), /interpreter/);
    await door.neverReached(/initialize|injected/);
  }, admitting(await digestOf(node) ?? ""));
});

it.run();
