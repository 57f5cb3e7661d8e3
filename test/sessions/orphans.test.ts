/** A parent that is nobody's peer may go: a script that starts the guard and ends is not its client. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, limited, waitUntil, withTempDir } from "../harness.ts";
import { running } from "./processes.ts";
import { fixture, NODE } from "./puppet.ts";

const orphans = suite("a guard whose parent has ended");

orphans(
  "goes on for whoever holds its pipe",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const [fifo, out, audit] = ["fifo", "out", "audit.jsonl"].map((name) => join(folder, name));
      const server = ["--", NODE, fixture("puppet.mjs"), join(folder, "received")];
      const command = [...guardCommand(), "run", "--audit", audit!, ...server];
      // Only once it was measured does the shell end, and the guard is init's then.
      const script = 'mkfifo "$1"; in=$1 out=$2 log=$3; shift 3; "$@" <"$in" >"$out" & ' +
        'until grep -q session-start "$log" 2>/dev/null; do sleep 0.05; done';
      const shell = spawn("sh", ["-c", script, "sh", fifo!, out!, audit!, ...command], { stdio: "ignore" });
      const ended = new Promise((resolve) => shell.once("exit", resolve));
      await waitUntil(() => existsSync(fifo!));
      // Not this process: it is an ancestor of the guard, and would be found to hold the pipe.
      const writer = spawn("sh", ["-c", 'exec cat >"$1"', "sh", fifo!], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      await ended;
      await delay(1_500);
      writer.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
      await waitUntil(() => readFileSync(out!, "utf8").includes('"id":1'));
      writer.stdin.end();
      await waitUntil(() => running(audit!).length === 0, 10_000);
      const records = readFileSync(audit!, "utf8");
      assert.match(records, /"reason":"peer-gone"/);
    })),
);

orphans.run();
