/** Guards of our own account that run on this machine, found and spoken to by their control sockets. */
import { request } from "node:http";
import { dirname } from "node:path";
import { controlFolder } from "./front/control/control-path.ts";
import { controlSockets, isOurSocket } from "./front/control/control-socket.ts";
import type { GuardOverview, ReloadAnswer } from "./front/control/controls.ts";
import { GuardError, messageOf } from "./model/errors.ts";
import { errorCode } from "./platform/native.ts";
import { isPrivate } from "./platform/runtime-folder.ts";

export type {
  GuardOverview,
  PolicyOverview,
  ReloadAnswer,
  SessionOverview,
} from "./front/control/controls.ts";

/** A guard that answered. */
export interface RunningGuard {
  /** Its control socket. */
  readonly socket: string;
  readonly overview: GuardOverview;
}

/** Loading a policy may hash what its clients run. */
const ANSWER_MS = 30_000;
/** Nobody listens: its guard was killed, or ended this moment. */
const DESERTED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT"]);

/**
 * Asks every guard that runs for its sessions.
 *
 * @param target A server's name, or a control socket's path. @default {all}
 * @param failed Told of a guard that does not answer as it should.
 * @throws {GuardError} `ERR_SOCKET_UNSAFE` where somebody else could have put a socket.
 */
export async function runningGuards(
  target: string | undefined,
  failed: (socket: string, why: string) => void,
): Promise<readonly RunningGuard[]> {
  const byPath = target?.includes("/") === true;
  const folder = byPath ? undefined : controlFolder();
  if (folder === undefined && !byPath) {
    throw new GuardError("ERR_SOCKET_UNSAFE", "There is no runtime folder that is ours alone");
  }
  const sockets = folder === undefined ? [safeSocket(target!)] : controlSockets(folder);
  const asked = await Promise.all(sockets.map(async (socket) => {
    try {
      return { socket, overview: await ask(socket, "GET", "/sessions", 200) as GuardOverview };
    } catch (error) {
      if (!DESERTED.has(errorCode(error)) || byPath) failed(socket, messageOf(error));
      return undefined;
    }
  }));
  const running = asked.filter((guard) => guard !== undefined);
  return byPath || target === undefined
    ? running
    : running.filter(({ overview }) => overview.name === target);
}

/**
 * Ends a session.
 *
 * @returns false when no such session runs there.
 * @throws What the guard says is in the way.
 */
export async function endSession({ socket }: RunningGuard, session: string): Promise<boolean> {
  const answer = await ask(socket, "DELETE", `/sessions/${encodeURIComponent(session)}`, 200, 404);
  return "ended" in answer;
}

/** Has the guard load its policy's file once more. */
export async function reloadPolicy({ socket }: RunningGuard): Promise<ReloadAnswer> {
  const answer = await ask(socket, "POST", "/reload", 200, 422) as ReloadAnswer & { readonly error?: string };
  return answer.error === undefined ? answer : { refused: answer.error };
}

/** Whoever answers at a socket of ours in a folder of ours is a process of ours: nobody else could put one there. */
function safeSocket(path: string): string {
  const folder = dirname(path);
  if (isPrivate(folder, process.geteuid?.() ?? -1) && isOurSocket(path)) return path;
  throw new GuardError(
    "ERR_SOCKET_UNSAFE",
    `Cannot ask at '${path}': it is no socket of ours in a folder that is ours alone`,
  );
}

function ask(socketPath: string, method: string, path: string, ...good: readonly number[]): Promise<object> {
  return new Promise((resolve, reject) => {
    const headers = { host: "localhost", connection: "close" };
    const req = request({ socketPath, method, path, headers, timeout: ANSWER_MS }, (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      res.on("error", reject);
      res.on("end", () => {
        try {
          const answer = JSON.parse(text) as { readonly error?: string };
          if (good.includes(res.statusCode ?? 0)) return resolve(answer);
          reject(new Error(answer.error ?? `HTTP ${res.statusCode}`));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
    req.on("timeout", () => req.destroy(new Error("no answer in time")));
    req.on("error", reject);
    req.end();
  });
}
