/** Control sockets of all guards of our account: those that run, and what killed ones left behind. */
import { lstatSync, readdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { errorCode } from "../../platform/native.ts";
import { SOCKET_SUFFIX } from "./control-path.ts";

/** A socket is made a moment before it answers: a younger one may be of a guard that is starting. */
const YOUNG_MS = 10_000;

/** The sockets of ours in a folder, whether or not anybody answers there. */
export function controlSockets(folder: string): readonly string[] {
  return readdirSync(folder).filter((name) => name.endsWith(SOCKET_SUFFIX)).sort()
    .map((name) => join(folder, name)).filter(isOurSocket);
}

/** Whoever bound it is of our account: a socket's file belongs to who made it (unix(7)). */
export function isOurSocket(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isSocket() === true && stat.uid === process.geteuid?.();
}

/** Removes what killed guards left behind. Never rejects. */
export async function clearStale(folder: string): Promise<void> {
  try {
    await Promise.all(controlSockets(folder).map(clear));
  } catch {
    // The folder went meanwhile, or cannot be read: there is nothing to clear for us.
  }
}

async function clear(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || Date.now() - stat.mtimeMs < YOUNG_MS || !await isDeserted(path)) return;
  unlinkSync(path);
}

function isDeserted(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (deserted: boolean): void => {
      socket.destroy();
      resolve(deserted);
    };
    socket.once("connect", () => done(false));
    socket.once("error", (error) => done(errorCode(error) === "ECONNREFUSED"));
  });
}
