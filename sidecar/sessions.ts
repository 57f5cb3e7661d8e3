/** The sessions of a guard that listens, and the servers behind them. */
import type { SessionPeer } from "./gate/admission/admit.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { SharedServer } from "./gate/shared/shared-server.ts";
import { exitCode, type Guard, openSession } from "./guard.ts";
import type { LaunchedUpstream } from "./upstream/launch-options.ts";

const NOT_ADMITTED = 1;

/** Begins sessions for those who are admitted. */
export class Sessions {
  readonly #guard: Guard;
  /** Once a policy wants one: another may be loaded meanwhile. */
  #shared: SharedServer | undefined;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** @returns The exit code to hand on. */
  async serve(peer: SessionPeer): Promise<number> {
    const { policy, world } = this.#guard;
    // Another policy was loaded while it was being admitted.
    if (peer.clients !== policy?.clients && !await peer.stillAdmitted(policy?.clients, world)) {
      peer.close();
      peer.stream.destroy();
      return NOT_ADMITTED;
    }
    const session = openSession(this.#guard, peer, this.#launcher(peer));
    const end = await session.ended;
    if (end.error !== undefined) this.#guard.options.notice(end.error.message);
    return exitCode(end);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#shared?.stop("signal"), this.#guard.open.stop()]);
  }

  #launcher(peer: SessionPeer): () => Promise<LaunchedUpstream> {
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
