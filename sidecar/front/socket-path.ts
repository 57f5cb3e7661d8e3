/**
 * Where a Unix socket of ours may lie: in a folder that is ours alone, at a name where nobody answers.
 *
 * Defends against: another user's folder, a folder that others may write or look into, a link in the place of the
 * socket, the live socket of another guard. Leaves to others: a process of our own user that exchanges the socket; a
 * client can see by SO_PEERCRED who listens.
 */
import { lstatSync, mkdirSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { GuardError, messageOf } from "../model/errors.ts";
import { errorCode } from "../platform/native.ts";
import { runtimeFolder } from "../platform/runtime-folder.ts";

/** sun_path of sockaddr_un, with its NUL (unix(7)). A longer one would be cut or refused by the kernel. */
const MAX_PATH_BYTES = 107;
const CONNECT_MS = 2000;

/**
 * Where a socket is: `unix:/run/user/1000/x.sock`, or `unix:` alone, which is one of the server's name in the runtime
 * folder.
 *
 * @throws {GuardError} `ERR_SOCKET_UNSAFE` when there is no such folder.
 */
export function socketPath(url: string, name: string): string {
  const path = url.slice("unix:".length);
  if (path !== "") return path;
  const folder = runtimeFolder(process.env);
  if (folder !== undefined) return join(folder, `${name.replace(/[^A-Za-z0-9._-]/g, "_")}.sock`);
  throw new GuardError("ERR_SOCKET_UNSAFE", "There is no runtime folder that is ours alone, so name a path");
}

/**
 * Makes sure that a socket can be made at this path, and removes one that its guard left behind.
 *
 * Between the look and the bind another process of ours may bind first: then bind fails, it replaces nothing.
 *
 * @throws {GuardError} `ERR_SOCKET_UNSAFE`, naming what is wrong and what would help.
 */
export async function prepareSocketPath(path: string): Promise<void> {
  if (!isAbsolute(path)) throw unsafe(path, "the path is not absolute");
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    throw unsafe(path, `the path is longer than ${MAX_PATH_BYTES} bytes`);
  }
  assertPrivate(dirname(path));
  const there = look(path);
  if (there === undefined) return;
  if (there.isSymbolicLink()) throw unsafe(path, "it is a symbolic link");
  if (!there.isSocket()) throw unsafe(path, "something else than a socket is there");
  if (there.uid !== process.geteuid?.()) throw unsafe(path, `it belongs to uid ${there.uid}`);
  if (await answers(path)) throw unsafe(path, "another process answers there");
  unlinkSync(path);
}

function assertPrivate(folder: string): void {
  let stat = look(folder);
  if (stat === undefined) {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      throw unsafe(folder, `the folder cannot be made: ${messageOf(error)}`);
    }
    stat = look(folder);
  }
  if (stat === undefined || !stat.isDirectory()) throw unsafe(folder, "it is no folder");
  if (stat.uid !== process.geteuid?.()) throw unsafe(folder, `the folder belongs to uid ${stat.uid}`);
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
    throw unsafe(folder, `the folder is open to others (mode ${mode}); 'chmod 700' it`);
  }
}

/** By lstat: what a link leads to is not what is there. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unsafe(path, messageOf(error));
  }
}

/** Only a refused connection shows that nobody listens; whatever else happens is doubt, and then it stays. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (live: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(live);
    };
    const timer = setTimeout(() => done(true), CONNECT_MS);
    socket.once("connect", () => done(true));
    socket.once("error", (error) => done(!["ECONNREFUSED", "ENOENT"].includes(errorCode(error))));
  });
}

function unsafe(path: string, reason: string): GuardError {
  return new GuardError("ERR_SOCKET_UNSAFE", `Cannot listen at '${path}': ${reason}`);
}
