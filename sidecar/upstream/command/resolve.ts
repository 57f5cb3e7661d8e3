import { accessSync, constants, statSync } from "node:fs";
import { GuardError } from "../../model/errors.ts";

/**
 * Finds the file that a command stands for, as execvp(3) would in the child: by the child's PATH and working folder,
 * not by ours. No shell is asked.
 *
 * The path is returned as it was found, symlinks included: programs such as a virtual environment's `python` look at
 * the name they were started by.
 *
 * @param path The child's PATH. Without one only commands that contain a slash can be found: the built-in default of
 *   execvp differs between systems, and absent is never a default.
 * @throws {GuardError} `ERR_UPSTREAM_LAUNCH` when there is no such file, or it cannot be executed.
 */
export function resolveCommand(command: string, cwd: string, path: string | undefined): string {
  if (command === "" || command.includes("\0")) throw cannotStart(command, "this is not a file name");
  if (command.includes("/")) {
    const file = inFolder(cwd, command);
    const obstacle = whyNotExecutable(file);
    if (obstacle === undefined) return file;
    throw cannotStart(command, `${obstacle}: '${file}'`);
  }
  if (path === undefined) throw cannotStart(command, "the server's environment has no PATH to look in");
  return searchPath(command, cwd, path);
}

function searchPath(command: string, cwd: string, path: string): string {
  let found: string | undefined;
  for (const folder of path.split(":")) {
    // POSIX: an empty element is the working folder (XBD 8.3).
    const file = inFolder(cwd, `${folder === "" ? "." : folder}/${command}`);
    const obstacle = whyNotExecutable(file);
    if (obstacle === undefined) return file;
    if (obstacle !== NO_SUCH_FILE) found ??= `${obstacle}: '${file}'`;
  }
  throw cannotStart(command, found ?? `no such command in PATH=${path}`);
}

/** Joined as text: `..` after a symlink is for the kernel to resolve, not for us to cancel out. */
export function inFolder(folder: string, file: string): string {
  return file.startsWith("/") ? file : `${folder}/${file.replace(/^(?:\.\/+)+/, "")}`;
}

const NO_SUCH_FILE = "no such file";

function whyNotExecutable(file: string): string | undefined {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return "this is a folder";
    if (!stat.isFile()) return "this is not a regular file";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? NO_SUCH_FILE : `cannot be looked at (${code})`;
  }
  try {
    accessSync(file, constants.X_OK);
    return undefined;
  } catch {
    // The reason is always the same one: access(2) gave no execute permission.
    return "this file is not executable";
  }
}

export function cannotStart(command: string, why: string, cause?: unknown): GuardError {
  return new GuardError("ERR_UPSTREAM_LAUNCH", `Cannot start '${command}': ${why}`, {
    publicMessage: "The server could not be started",
    cause,
  });
}
