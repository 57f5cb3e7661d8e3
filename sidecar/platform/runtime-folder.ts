import { lstatSync, mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";

/**
 * A folder for this user and this boot that nobody else can look into or replace: `$XDG_RUNTIME_DIR/mcp-guard`,
 * `/run/user/<uid>/mcp-guard`, or `/tmp/mcp-guard-<uid>`, whichever is the first that can be had safely.
 *
 * @returns Its path, made with mode 0700 if need be; undefined when none is safe. It is never repaired: a folder that
 * somebody else made or opened up may already hold what they put there.
 */
export function runtimeFolder(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const uid = process.getuid?.();
  if (uid === undefined) return undefined;
  const xdg = env["XDG_RUNTIME_DIR"];
  const bases = [xdg !== undefined && isAbsolute(xdg) ? xdg : undefined, `/run/user/${uid}`];
  for (const base of bases) {
    // A base of somebody else's (sudo keeps XDG_RUNTIME_DIR) could be emptied and refilled around us.
    if (base !== undefined && isPrivate(base, uid)) return privateFolder(join(base, "mcp-guard"));
  }
  // /tmp is sticky: what is ours there can be neither renamed nor removed by others.
  return privateFolder(`/tmp/mcp-guard-${uid}`);
}

/** Makes the folder with mode 0700, or finds it so and ours. @returns undefined when it is looser or not ours. */
export function privateFolder(path: string): string | undefined {
  const uid = process.getuid?.();
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {
    // There already, or not to be made: the check below tells which.
  }
  return uid !== undefined && isPrivate(path, uid) ? path : undefined;
}

/** By lstat: a symbolic link is not a folder of ours, wherever it leads. */
export function isPrivate(path: string, uid: number): boolean {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
