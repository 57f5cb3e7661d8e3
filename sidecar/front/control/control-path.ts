/**
 * Where control sockets lie: in `control` inside the runtime folder, one for each guard that runs, named by its server
 * and its process.
 */
import { join } from "node:path";
import { privateFolder, runtimeFolder } from "../../platform/runtime-folder.ts";

export const SOCKET_SUFFIX = ".sock";
/** Of the server's name; a socket's path has to be short. */
const NAME_CHARS = 32;

/** @returns Undefined when there is no folder that nobody else can look into. */
export function controlFolder(): string | undefined {
  const folder = runtimeFolder(process.env);
  return folder === undefined ? undefined : privateFolder(join(folder, "control"));
}

/** Of the guard that we are. @returns Undefined likewise. */
export function controlPath(server: string): string | undefined {
  const folder = controlFolder();
  if (folder === undefined) return undefined;
  const name = server.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, NAME_CHARS);
  return join(folder, `${name}-${process.pid}${SOCKET_SUFFIX}`);
}
