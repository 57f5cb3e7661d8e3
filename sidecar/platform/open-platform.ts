import { openDarwin } from "./darwin.ts";
import { openLinux } from "./linux.ts";
import type { Platform } from "./platform.ts";
import { openUnsupported } from "./unsupported.ts";

/** The platform we run on. Only the composition root and the commands call this. */
export function openPlatform(): Platform {
  if (process.platform === "linux") return openLinux();
  return process.platform === "darwin" ? openDarwin() : openUnsupported();
}
