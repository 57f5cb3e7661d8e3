/** Which processes there are, as /proc tells it. */
import { readdirSync, readFileSync } from "node:fs";

/** All that came from this process and still lives, nearest first. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat !== undefined && stat.state !== "Z") parents.set(Number(name), stat.parent);
  }
  const found: number[] = [];
  for (let next = [pid]; next.length > 0;) {
    next = [...parents].filter(([, parent]) => next.includes(parent)).map(([child]) => child);
    found.push(...next);
  }
  return found;
}

/** Processes with this text in their command line: those that lost their parent are found, too. */
export function running(text: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(text) && isAlive(pid));
}

/** Whether it runs; one that has ended and was not waited for does not. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.state !== "Z";
}

export function commandLine(pid: number): string {
  return read(pid, "cmdline").replaceAll("\0", " ").trim();
}

/** Memory that it holds, in bytes. */
export function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(pid, "status"))?.[1];
  if (kibibytes === undefined) throw new Error(`Cannot tell the memory of process ${pid}: it has ended`);
  return Number(kibibytes) * 1024;
}

function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  // The name stands in brackets and may hold anything, so fields count from the last one.
  const text = read(pid, "stat");
  const [state, parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === undefined || state === "" ? undefined : { state, parent: Number(parent) };
}

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // It ended meanwhile.
  }
}
