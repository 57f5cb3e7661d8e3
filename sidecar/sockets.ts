/** A guard that listens: one process of the server for each peer that is admitted. */
import { join } from "node:path";
import type { SessionIdentity } from "./audit/audit-log.ts";
import type { HttpDoorOptions } from "./front/http/http-door.ts";
import type { HttpPeer } from "./front/http/session/http-peer.ts";
import { UnixDoor, type UnixDoorOptions } from "./front/unix-door.ts";
import type { SessionPeer } from "./gate/admission/admit.ts";
import type { Session } from "./gate/session.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { assemble, type Guard, type GuardOptions, openSession, tellRefusal } from "./guard.ts";
import { GuardError, type GuardErrorCode } from "./model/errors.ts";
import { absent } from "./model/evidence.ts";
import { runtimeFolder } from "./platform/runtime-folder.ts";
import { StopSignals } from "./stop-signals.ts";

/** Sessions at a time: each has a process of the server. */
const MAX_SESSIONS = 64;
/** Connections of HTTP at a time: clients hold several. */
const MAX_CONNECTIONS = 256;

/**
 * Listens at its doors and guards a server for every peer that is admitted, until a signal stops it.
 *
 * @returns 0: what became of single sessions is told by the audit log.
 * @throws {GuardError} When the guard cannot start; `ERR_SOCKET_UNSAFE` where a socket may not or cannot be made.
 */
export async function guardSockets(options: GuardOptions): Promise<number> {
  const guard = await assemble(options);
  const signals = new StopSignals();
  const sessions = new Sessions(guard);
  const doors: Door[] = [];
  const close = (): void => {
    for (const door of doors) door.close();
  };
  try {
    for (const url of options.listen) {
      doors.push(await openDoor(guard, sessions, url));
    }
  } catch (error) {
    close();
    guard.log.close("socket-unsafe");
    throw error;
  }
  await new Promise<void>((resolve) => signals.tell(resolve));
  close();
  // A second signal climbs the ladder that stops the servers.
  signals.tell(() => void sessions.stop());
  await sessions.stop();
  guard.digests.close();
  guard.log.close("signal");
  return 0;
}

/** Somewhere that peers arrive. */
interface Door {
  /** Lets nobody else in. */
  close(): void;
}

class Sessions {
  readonly #guard: Guard;
  readonly #open = new Set<Session>();
  #stopping = false;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  async serve(peer: SessionPeer): Promise<void> {
    const session = openSession(this.#guard, peer, () => this.#guard.launch());
    this.#open.add(session);
    // Somebody was let in while the guard was being stopped.
    if (this.#stopping) session.stop("signal");
    const { error } = await session.ended;
    this.#open.delete(session);
    if (error !== undefined) this.#guard.options.notice(error.message);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const all = [...this.#open];
    for (const session of all) session.stop("signal");
    await Promise.all(all.map((session) => session.ended));
  }
}

async function openDoor(guard: Guard, sessions: Sessions, url: string): Promise<Door> {
  if (url.startsWith("http:")) return await openLoopback(guard, sessions, new URL(url));
  const path = socketPath(url, guard.name);
  const door = url.startsWith("unix+http:")
    ? await openHttpAt(guard, sessions, path)
    : await openUnix(guard, path, { maxSessions: MAX_SESSIONS, serve: (peer) => sessions.serve(peer) });
  guard.options.notice(`Listening at ${url.slice(0, url.indexOf(":") + 1)}${path}`);
  return door;
}

/** What one kind of door at a Unix socket does with who was admitted. */
type Behind = Pick<UnixDoorOptions, "maxSessions" | "maxWaiting" | "serve" | "known" | "turnAway">;

function openUnix(guard: Guard, path: string, behind: Behind): Promise<UnixDoor> {
  const { platform, policy, digests, world, options: { notice } } = guard;
  return UnixDoor.open({
    platform,
    path,
    digests,
    clients: policy?.clients,
    world,
    trustDomain: policy?.trustDomain ?? "localhost",
    refused: (peer) => tellRefusal(guard, peer),
    notice,
    ...behind,
  });
}

async function openHttpAt(guard: Guard, sessions: Sessions, path: string): Promise<Door> {
  // HTTP is loaded for who wants it.
  const { UnixHttpDoor } = await import("./front/http/http-door.ts");
  const http = new UnixHttpDoor(httpOptions(guard, sessions));
  const unix = await openUnix(guard, path, {
    maxSessions: MAX_CONNECTIONS,
    maxWaiting: MAX_CONNECTIONS / 4,
    serve: (peer) => http.serve(peer),
    known: (credentials, connectedAfter) => http.known(credentials, connectedAfter),
    turnAway: (stream, why) => http.turnAway(stream, why),
  });
  return {
    close: () => {
      unix.close();
      http.close();
    },
  };
}

async function openLoopback(guard: Guard, sessions: Sessions, url: URL): Promise<Door> {
  const { LoopbackDoor } = await import("./front/http/loopback-door.ts");
  const { platform, policy, digests, world, options } = guard;
  const door = await LoopbackDoor.open({
    ...httpOptions(guard, sessions),
    platform,
    address: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 80 : Number(url.port),
    remoteHosts: options.allowRemote ?? [],
    digests,
    clients: policy?.clients,
    world,
    trustDomain: policy?.trustDomain ?? "localhost",
  });
  options.notice(`Listening at http://${url.hostname}:${door.port}/mcp`);
  return door;
}

function httpOptions(guard: Guard, sessions: Sessions): HttpDoorOptions {
  return {
    serve: (peer) => sessions.serve(peer),
    maxSessions: MAX_SESSIONS,
    maxBody: guard.options.maxLine ?? DEFAULT_LIMITS.peerLine,
    refused: (peer, code, reason) => refuseRequest(guard, peer, code, reason),
    notice: guard.options.notice,
  };
}

/** Records that a request was not served, for a reason that somebody should know of. */
function refuseRequest(
  guard: Guard,
  peer: HttpPeer | undefined,
  code: GuardErrorCode,
  reason: string,
): Promise<string | undefined> {
  const identity = peer?.identity.identity ?? NOBODY;
  return Promise.resolve(guard.refusals.record({ admitted: false, code, reasons: [reason], identity }));
}

/** Who sends a request that does not even say for whom it is. */
const NOBODY: SessionIdentity = {
  principal: { name: "unidentified", id: "spiffe://localhost/unidentified" },
  evidence: {
    transport: "tcp",
    credentials: absent("not-looked"),
    process: absent("not-looked"),
    lineage: { ancestors: [], end: "pending" },
    selectors: [],
  },
};

/** `unix:/run/user/1000/x.sock`; `unix:` alone is a socket of the server's name in the runtime folder. */
function socketPath(url: string, name: string): string {
  const path = url.slice(url.indexOf(":") + 1);
  if (path !== "") return path;
  const folder = runtimeFolder(process.env);
  if (folder !== undefined) return join(folder, `${name.replace(/[^A-Za-z0-9._-]/g, "_")}.sock`);
  throw new GuardError("ERR_SOCKET_UNSAFE", "Cannot listen: there is no runtime folder that is ours alone");
}
