import type { Platform } from "../platform.ts";
import type { Finding } from "./finding.ts";
import { examineFolders } from "./folders.ts";
import { examineKernel } from "./kernel.ts";
import { examineRuntime } from "./runtime.ts";

export type { Finding } from "./finding.ts";

/**
 * What this kernel, runtime and user account offer, for `mcp-guard doctor`. Each is tried out, where that changes
 * nothing, instead of being read off a version. Usable when no finding is `missing`.
 */
export function examineSystem(
  platform: Platform,
  surroundings: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly execArgv: readonly string[];
    readonly auditFolder: string;
  },
): readonly Finding[] {
  const { env, execArgv, auditFolder } = surroundings;
  return [...examineKernel(platform), ...examineRuntime(env, execArgv), ...examineFolders(env, auditFolder)];
}
