/** A program that takes part in an attack, as a process. */
import { spawn } from "node:child_process";
import { waitUntil } from "../../harness.ts";
import { type JsonRpc, openInbox } from "../../tools/inbox.ts";
import { exeOf } from "../naive.ts";
import type { Person } from "./people.ts";
import { stateOf } from "./state.ts";

export interface Actor {
  readonly pid: number;
  /** What it said on stderr so far. */
  readonly stderr: string;
  /** Sends a line to its stdin: the agent passes it on. */
  tell(message: JsonRpc | string): void;
  /** The next line of its stdout that matches: what it heard. */
  receive(matches: (message: JsonRpc) => boolean, ms?: number): Promise<JsonRpc>;
  /** Until this process runs the program at this path, and waits for something. */
  becomes(path: string): Promise<void>;
  /** Ends its stdin. */
  end(): void;
  /** Kills it, and all that it started. */
  kill(): Promise<void>;
  readonly exit: Promise<number | null>;
}

export interface ActorOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another than the lab's own. */
  readonly person?: Person;
}

/** Starts a program as this person, in a process group of its own. */
export function start(person: Person, command: readonly string[], { cwd, env }: ActorOptions): Actor {
  const [program = "", ...args] = [...person.prefix, ...command];
  const child = spawn(program, args, {
    cwd,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...(person.prefix.length === 0 ? {} : { HOME: cwd, TMPDIR: cwd }), ...env },
  });
  const { stdin, stdout, stderr, pid } = child;
  if (pid === undefined) throw new Error(`Cannot start ${program}`);
  let said = "";
  stdin.on("error", () => {}); // it has ended
  stderr.setEncoding("utf8").on("data", (text: string) => void (said += text));
  const inbox = openInbox(stdout);
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("exit", (code) => resolve(code)).once("error", reject);
  });
  exit.catch(() => {}); // told to whoever waits for it
  return {
    pid,
    exit,
    get stderr() {
      return said;
    },
    tell: (message) =>
      void stdin.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`),
    receive: (matches, ms) => inbox.receive(matches, ms),
    // Amid an exec the link to the program is new already, and what the kernel writes after it still missing.
    becomes: (path) => waitUntil(() => exeOf(pid) === path && stateOf(`/proc/${pid}`) === "S"),
    end: () => void stdin.end(),
    async kill() {
      try {
        process.kill(-pid, "SIGKILL");
      } catch { /* nobody of the group is left */ }
      await exit.catch(() => null);
    },
  };
}
