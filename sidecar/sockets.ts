/** A guard that listens: one process of the server for each peer that is admitted. */
import { join } from "node:path";
import { Seats } from "./front/seats.ts";
import { UnixDoor } from "./front/unix-door.ts";
import type { AdmittedPeer } from "./gate/admission/admit.ts";
import type { Session } from "./gate/session.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { SharedServer } from "./gate/shared/shared-server.ts";
import { assemble, type Guard, type GuardOptions, openSession, tellRefusal } from "./guard.ts";
import { GuardError } from "./model/errors.ts";
import { runtimeFolder } from "./platform/runtime-folder.ts";
import { StopSignals } from "./stop-signals.ts";
import type { LaunchedUpstream } from "./upstream/launch-options.ts";

/** Sessions at a time, without a policy: each has a process of the server. */
const MAX_SESSIONS = 64;

/**
 * Listens at Unix sockets and guards a server for every peer that is admitted, until a signal stops it.
 *
 * @returns 0: what became of single sessions is told by the audit log.
 * @throws {GuardError} When the guard cannot start; `ERR_SOCKET_UNSAFE` where a socket may not or cannot be made.
 */
export async function guardSockets(options: GuardOptions): Promise<number> {
  const guard = await assemble(options);
  const signals = new StopSignals();
  const sessions = new Sessions(guard);
  const seats = new Seats(guard.policy?.session.maxSessions ?? MAX_SESSIONS);
  const doors: UnixDoor[] = [];
  const close = (): void => {
    for (const door of doors) door.close();
  };
  try {
    for (const url of options.listen) {
      doors.push(await openDoor(guard, sessions, seats, socketPath(url, guard.name)));
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

class Sessions {
  readonly #guard: Guard;
  readonly #open = new Set<Session>();
  #stopping = false;

  readonly #shared: SharedServer | undefined;

  constructor(guard: Guard) {
    this.#guard = guard;
    if (guard.policy?.session.children === "shared") this.#shared = shareServer(guard);
  }

  async serve(peer: AdmittedPeer): Promise<void> {
    const session = openSession(this.#guard, peer, this.#launcher(peer));
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
    await Promise.all([this.#shared?.stop("signal"), ...all.map((session) => session.ended)]);
  }

  #launcher(peer: AdmittedPeer): () => Promise<LaunchedUpstream> {
    const shared = this.#shared;
    if (shared === undefined) return () => this.#guard.launch();
    let { principal } = peer.identity;
    void peer.complete().then((identity) => principal = identity.principal);
    return () => shared.join({ principal: () => principal.id });
  }
}

function shareServer({ launch, log }: Guard): SharedServer {
  return new SharedServer({
    launch,
    longestLine: DEFAULT_LIMITS.upstreamLine,
    record: (type, detail) => {
      log.append({ type, detail });
      flushed(log);
    },
  });
}

/** These records let nothing through: a log that cannot be written says so itself with the next one that can. */
function flushed(log: Guard["log"]): void {
  try {
    log.flush();
  } catch {
    // Counted by the log; what must not go on without its record is held back by the sessions.
  }
}

async function openDoor(guard: Guard, sessions: Sessions, seats: Seats, path: string): Promise<UnixDoor> {
  const { platform, policy, digests, world, options: { notice } } = guard;
  const door = await UnixDoor.open({
    platform,
    path,
    digests,
    clients: policy?.clients,
    world,
    trustDomain: policy?.trustDomain ?? "localhost",
    refused: (peer) => tellRefusal(guard, peer),
    seats,
    serve: (peer) => sessions.serve(peer),
    notice,
  });
  notice(`Listening at unix:${path}`);
  return door;
}

/** `unix:/run/user/1000/x.sock`; `unix:` alone is a socket of the server's name in the runtime folder. */
function socketPath(url: string, name: string): string {
  const path = url.slice("unix:".length);
  if (path !== "") return path;
  const folder = runtimeFolder(process.env);
  if (folder !== undefined) return join(folder, `${name.replace(/[^A-Za-z0-9._-]/g, "_")}.sock`);
  throw new GuardError("ERR_SOCKET_UNSAFE", "Cannot listen: there is no runtime folder that is ours alone");
}
