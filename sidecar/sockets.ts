/** A guard that listens: one process of the server for each peer that is admitted. */
import { Capacity } from "./front/capacity.ts";
import { ConnectDoor } from "./front/connect-door.ts";
import type { DoorOptions } from "./front/door.ts";
import { socketPath } from "./front/socket-path.ts";
import { UnixDoor } from "./front/unix-door.ts";
import type { AdmittedPeer } from "./gate/admission/admit.ts";
import type { Session } from "./gate/session.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { SharedServer } from "./gate/shared/shared-server.ts";
import { assemble, exitCode, type Guard, type GuardOptions, openSession, tellRefusal } from "./guard.ts";
import { StopSignals } from "./stop-signals.ts";
import type { LaunchedUpstream } from "./upstream/launch-options.ts";

/** Sessions at a time, without a policy: each has a process of the server. */
const MAX_SESSIONS = 64;

const NOT_ADMITTED = 1;

/**
 * Listens at Unix sockets and guards a server for every peer that is admitted, until a signal stops it.
 *
 * @returns 0: what became of single sessions is told by the audit log.
 * @throws {GuardError} When the guard cannot start; `ERR_SOCKET_UNSAFE` where a socket may not or cannot be made.
 */
export async function guardSockets(options: GuardOptions): Promise<number> {
  const guard = await assemble(options);
  const signals = new StopSignals(options.policyFile === undefined ? undefined : ["SIGINT", "SIGTERM"]);
  const sessions = new Sessions(guard);
  const doors: (UnixDoor | ConnectDoor)[] = [];
  const capacity = new Capacity(() => guard.policy?.session.maxSessions ?? MAX_SESSIONS);
  const close = (): void => {
    for (const door of doors) door.close();
  };
  try {
    for (const url of options.listen) {
      const options = doorOptions(guard, { capacity, sessions, path: socketPath(url, guard.name) });
      doors.push(await UnixDoor.open(options));
      doors.push(await ConnectDoor.open(options));
      guard.options.notice(`Listening at unix:${options.path}`);
    }
  } catch (error) {
    close();
    guard.log.close("socket-unsafe");
    throw error;
  }
  // As for every daemon. Without a policy there is nothing to load, and it stops us as it stops everybody.
  if (options.policyFile !== undefined) process.on("SIGHUP", () => void sessions.reload());
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
  /** Once a policy wants one: another may be loaded meanwhile. */
  #shared: SharedServer | undefined;
  #stopping = false;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** @returns The exit code to hand on. */
  async serve(peer: AdmittedPeer): Promise<number> {
    const { policy, world } = this.#guard;
    // Another policy was loaded while it was being admitted.
    if (peer.clients !== policy?.clients && !await peer.stillAdmitted(policy?.clients, world)) {
      peer.close();
      peer.stream.destroy();
      return NOT_ADMITTED;
    }
    const session = openSession(this.#guard, peer, this.#launcher(peer));
    this.#open.add(session);
    // Somebody was let in while the guard was being stopped.
    if (this.#stopping) session.stop("signal");
    const end = await session.ended;
    this.#open.delete(session);
    if (end.error !== undefined) this.#guard.options.notice(end.error.message);
    return exitCode(end);
  }

  /** Loads the policy once more: for whoever comes, and, where it is stricter, for whoever is here. */
  async reload(): Promise<void> {
    const policy = await this.#guard.reload();
    if (policy === undefined) return;
    await Promise.all([...this.#open].map((session) => session.adopt(policy, this.#guard.world)));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const all = [...this.#open];
    for (const session of all) session.stop("signal");
    await Promise.all([this.#shared?.stop("signal"), ...all.map((session) => session.ended)]);
  }

  #launcher(peer: AdmittedPeer): () => Promise<LaunchedUpstream> {
    if (this.#guard.policy?.session.children !== "shared") return () => this.#guard.launch();
    const shared = this.#shared ??= shareServer(this.#guard);
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

interface Place {
  readonly path: string;
  readonly capacity: Capacity;
  readonly sessions: Sessions;
}

/** What depends on the policy is asked anew for each peer: another one may be loaded meanwhile. */
function doorOptions(guard: Guard, { path, capacity, sessions }: Place): DoorOptions {
  const { platform, digests, options: { notice } } = guard;
  return {
    platform,
    path,
    digests,
    get clients() {
      return guard.policy?.clients;
    },
    get world() {
      return guard.world;
    },
    get trustDomain() {
      return guard.policy?.trustDomain ?? "localhost";
    },
    refused: (peer) => tellRefusal(guard, peer),
    capacity,
    serve: (peer) => sessions.serve(peer),
    notice,
  };
}
