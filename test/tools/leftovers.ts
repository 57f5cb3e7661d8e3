/** Finds what a test file left behind: processes of its group or with its home, and files in its temp folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** How long processes that are already being stopped may take to be gone. */
const GRACE_MS = 2_000;
/** Made by the runtimes and tools themselves, not by tests. */
const OF_TOOLS = /^(tsx-\d+|node-compile-cache|\.cache|\.npm|\.node_repl_history|\.deno)$/;

/** @param killed The file's time was up: then everything is a leftover, and naming it helps nobody. */
export async function findLeftovers(
  group: number | undefined,
  folder: string,
  killed: boolean,
): Promise<string[]> {
  if (killed) return [];
  let processes = strays(group, folder);
  for (
    let waited = 0;
    processes.length > 0 && waited < GRACE_MS;
    waited += 50
  ) {
    await delay(50);
    processes = strays(group, folder);
  }
  const files = ["tmp", "home"].flatMap((sub) => readdirSync(join(folder, sub)));
  return [
    ...processes.map((pid) => `left process ${pid} behind: ${commandLine(pid)}`),
    ...files.filter((name) => !OF_TOOLS.test(name)).map((name) =>
      `left '${name}' in its temp or home folder`
    ),
  ];
}

/** Kills the group, and every process that carries the folder as its HOME. */
export function killLeftovers(group: number | undefined, folder: string): void {
  killGroup(group);
  for (const pid of strays(group, folder)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch { /* It ended by itself meanwhile. */ }
  }
}

export function killGroup(group: number | undefined): void {
  if (group === undefined) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch { /* Nobody is left in it. */ }
}

function strays(group: number | undefined, folder: string): number[] {
  if (process.platform !== "linux") return [];
  const mark = `\0HOME=${join(folder, "home")}\0`;
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((pid) => {
      const { state, pgrp } = stat(pid);
      if (state === "" || state === "Z" || pid === process.pid) return false;
      return pgrp === group || `\0${read(pid, "environ")}`.includes(mark);
    });
}

function stat(pid: number): { readonly state: string; readonly pgrp: number } {
  // The name stands in brackets and may hold anything, so fields count from the last one.
  const text = read(pid, "stat");
  const [state = "", , pgrp] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, pgrp: Number(pgrp) };
}

function commandLine(pid: number): string {
  return read(pid, "cmdline").replaceAll("\0", " ").trim();
}

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // It ended meanwhile, or is another user's and so none of ours.
  }
}
