/** The shim: hands our standard streams over to a guard that runs elsewhere, and waits for the end. */
import { Buffer } from "node:buffer";
import { type Farewell, FarewellReader, handOverPath, HELLO } from "./front/hand-over.ts";
import { socketPath } from "./front/socket-path.ts";
import { GuardError } from "./model/errors.ts";
import { errorCode } from "./platform/native.ts";
import { openPlatform } from "./platform/open-platform.ts";
import type { Platform } from "./platform/platform.ts";

const STREAMS = [[0, "input"], [1, "output"]] as const;
/** Whoever listens as root may do what he likes with us anyway. */
const ROOT = 0;

/**
 * Lets the guard at this socket speak with whoever started us, by the very streams that we were given: from then on no
 * byte passes through here. Our end is the session's end.
 *
 * @param target The socket that the guard was told to listen at, as a path or as `unix:` and a path; or its server's
 * name, for a socket in the runtime folder.
 * @returns How it ended; undefined when the guard went without a word.
 * @throws {GuardError} `ERR_CONFIG_INVALID` when nobody listens or there is nothing to hand over; `ERR_SOCKET_UNSAFE`
 * when it is somebody else who listens.
 */
export async function connectStdio(target: string): Promise<Farewell | undefined> {
  const platform = openPlatform();
  for (const [fd, name] of STREAMS) {
    if (platform.recognize(fd) !== undefined) continue;
    throw new GuardError(
      "ERR_CONFIG_INVALID",
      `Cannot hand over standard ${name}: it is no pipe and no Unix socket. An MCP client starts this command`,
    );
  }
  const socket = connectTo(platform, locate(target));
  const stream = platform.openStream(socket, "both");
  platform.passDescriptors(socket, Buffer.from(HELLO), STREAMS.map(([fd]) => fd));
  const reader = new FarewellReader();
  return await new Promise((resolve) => {
    const end = (): void => {
      stream.destroy();
      resolve(reader.farewell);
    };
    stream.start({ data: (chunk) => reader.push(chunk), end, error: end, drain: () => {} });
  });
}

function locate(target: string): string {
  if (target.startsWith("unix:")) return socketPath(target, "");
  return target.includes("/") ? target : socketPath("unix:", target);
}

function connectTo(platform: Platform, path: string): number {
  let socket: number;
  try {
    socket = platform.connectUnix(handOverPath(path));
  } catch (error) {
    const code = errorCode(error);
    const reason = code === "ENOENT" || code === "ECONNREFUSED" ? "no guard listens there" : "it refuses";
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot connect to '${path}': ${reason} (${code})`);
  }
  const listener = platform.peerCredentials(socket);
  const uid = "value" in listener ? listener.value.uid : undefined;
  if (uid === process.geteuid?.() || uid === ROOT) return socket;
  platform.closeDescriptor(socket);
  // What is handed over can be read and answered by whoever gets it.
  throw new GuardError(
    "ERR_SOCKET_UNSAFE",
    `Cannot connect to '${path}': it is ${
      uid === undefined ? "unknown who" : `uid ${uid} that`
    } listens there`,
  );
}
