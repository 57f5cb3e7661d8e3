/** One thing this system offers or lacks, and what follows from it. */
export interface Finding {
  /** A stable name for scripts: `kernel.peer-pidfd`. */
  readonly name: string;
  /** `limited`: it works, with less evidence or protection. `missing`: mcp-guard cannot be used without it. */
  readonly state: "ok" | "limited" | "missing";
  /** What was seen. */
  readonly found: string;
  /** What it means for the person who reads this; what to do where there is something. */
  readonly means: string;
}

export function finding(name: string, state: Finding["state"], found: string, means: string): Finding {
  return { name, state, found, means };
}
