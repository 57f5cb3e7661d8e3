/**
 * A tiny process that outlives the guard by two seconds, and ends the child's group when the guard was killed.
 *
 * Most servers end when their input does, which the kernel sees to whatever becomes of the guard. This is for those that
 * do not: SIGKILL, the OOM killer and a crash leave the guard no moment to stop anybody.
 *
 * It is a shell with a fixed text, in a session of its own so that a signal to the guard's or the child's group misses
 * it. Its input is a socket whose other end only the guard holds, close-on-exec: it ends exactly when the guard does.
 * What it does not reach: descendants of the child that left the group by setsid(2).
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Platform } from "../platform/platform.ts";

// A session's end sends TERM and HUP to everybody in it: the watchdog must be the last to go. Whole seconds, since not
// every sleep(1) knows fractions. Between two looks the group may empty and its number be given away; hence the looks.
const SCRIPT = `trap '' HUP INT QUIT TERM
while read -r _; do :; done
[ -z "$2" ] || rm -f -- "$2"
kill -s TERM -- "-$1" || exit 0
sleep 1
kill -s 0 -- "-$1" || exit 0
sleep 1
kill -s KILL -- "-$1"`;

export interface Watchdog {
  /** Sends it away without its doing anything. Settles when it was reaped. */
  dismiss(): Promise<void>;
}

/**
 * @param leftOnKill A file that it removes as well.
 * @returns Undefined where there is no /bin/sh.
 */
export function startWatchdog(
  group: number,
  platform: Platform,
  leftOnKill: string = "",
): Watchdog | undefined {
  const [ours, its] = platform.socketPair();
  const shell = spawnShell([String(group), leftOnKill], its);
  platform.closeDescriptor(its);
  if (shell?.pid === undefined) {
    platform.closeDescriptor(ours);
    return undefined;
  }
  const exited = new Promise<void>((settle) => shell.once("exit", () => settle()));
  shell.unref();
  return {
    async dismiss() {
      shell.ref();
      // Killed before its input ends: with SIGKILL pending it does not run another instruction of its script.
      shell.kill("SIGKILL");
      await exited;
      platform.closeDescriptor(ours);
    },
  };
}

function spawnShell(args: readonly string[], input: number): ChildProcess | undefined {
  try {
    const shell = spawn("/bin/sh", ["-c", SCRIPT, "mcp-guard-watchdog", ...args], {
      stdio: [input, "ignore", "ignore"],
      detached: true,
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
    });
    // Without this listener a missing /bin/sh would end the guard; `pid` says the same.
    return shell.on("error", () => {});
  } catch {
    // Deno throws what node emits.
    return undefined;
  }
}
