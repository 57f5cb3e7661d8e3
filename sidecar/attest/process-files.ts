/** What `/proc/<pid>/stat` and `status` say, for the few fields we use (proc(5)). Pure: text in, values out. */

export interface ProcessStat {
  readonly ppid: number;
  /** Clock ticks after boot. For comparing a child with its parent only: it is no identity (CVE-2019-6133). */
  readonly startTime: bigint;
}

/** @returns undefined when the text is not what the kernel writes. */
export function parseStat(text: string): ProcessStat | undefined {
  // A process chooses its own name, and may be called `a) S 1 1 (b`: only what follows the last parenthesis is the
  // kernel's.
  const close = text.lastIndexOf(")");
  if (close < 0) return undefined;
  const fields = text.slice(close + 1).trim().split(" ");
  const ppid = fields[1];
  const startTime = fields[19];
  if (ppid === undefined || startTime === undefined) return undefined;
  if (!/^\d+$/.test(ppid) || !/^\d+$/.test(startTime)) return undefined;
  return { ppid: Number(ppid), startTime: BigInt(startTime) };
}

export interface ProcessStatus {
  readonly tracerPid: number;
  /** Real, effective, saved and file system ids. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** Supplementary groups; may be empty. */
  readonly groups: readonly number[];
}

/** @returns undefined when a field is missing or not a number. */
export function parseStatus(text: string): ProcessStatus | undefined {
  const tracer = numbers(text, "TracerPid");
  const uids = numbers(text, "Uid");
  const gids = numbers(text, "Gid");
  const groups = numbers(text, "Groups");
  if (groups === undefined) return undefined;
  if (tracer?.length !== 1 || uids?.length !== 4 || gids?.length !== 4) return undefined;
  return { tracerPid: tracer[0]!, uids, gids, groups };
}

function numbers(text: string, field: string): number[] | undefined {
  // The kernel escapes newlines in the name of the process, which is on the first line, so a line start is its own.
  const line = new RegExp(`^${field}:[ \\t]*([\\d \\t]*)$`, "m").exec(text);
  const words = line?.[1]?.trim().split(/\s+/).filter((word) => word !== "");
  return words?.every((word) => /^\d+$/.test(word)) === true ? words.map(Number) : undefined;
}
