import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { skipUnless } from "../harness.ts";

export interface Typed {
  /** Before the command can have asked. */
  readonly before?: string;
  /** Once the prompt is on the screen. */
  readonly answer?: string;
  /** @default {"[y/N] "} */
  readonly prompt?: string;
}

export interface Ended {
  readonly code: number;
  /** All that the terminal showed, what was typed included. */
  readonly screen: string;
  readonly out: string;
  readonly err: string;
}

const DRIVER = fileURLToPath(new URL("./fixtures/terminal.py", import.meta.url));

/** Whether a terminal can be made here; if not, says so. */
export function noTerminal(): boolean {
  const probe = spawnSync("python3", ["-c", "import os; pid, fd = os.forkpty(); pid or os._exit(0)"]);
  return skipUnless(probe.status === 0, "needs python3 that can make a terminal (forkpty)");
}

/** Runs a command at a terminal of its own. */
export async function atTerminal(command: readonly string[], typed: Typed = {}): Promise<Ended> {
  const child = spawn("python3", [DRIVER], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
  child.stdin.end(JSON.stringify({ command, prompt: "[y/N] ", answer: "", ...typed }));
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(text) as Ended;
}
