/** The control socket of a guard: opened beside its doors, and closed with it. */
import { dirname, resolve } from "node:path";
import type { SessionIdentity } from "./audit/audit-log.ts";
import { identityText } from "./audit/record/identity-text.ts";
import type {
  Controls,
  GuardOverview,
  PolicyOverview,
  ReloadAnswer,
  SessionOverview,
} from "./front/control/controls.ts";
import type { Metric } from "./front/control/metrics-text.ts";
import { newSessionId } from "./gate/session-id.ts";
import { type Guard, tellRefusal } from "./guard.ts";
import { guardMetrics } from "./guard-metrics.ts";
import { messageOf } from "./model/errors.ts";
import type { OpenSession } from "./open-sessions.ts";

/** Opens the control socket, unless the guard was started without one. */
export class ControlSocket {
  readonly #guard: Guard;
  #door: { close(): void } | undefined;
  #closed = false;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** Never rejects: a guard goes on without it. */
  async open(): Promise<void> {
    if (this.#guard.options.control === false || this.#closed) return;
    try {
      const door = await openDoor(this.#guard);
      if (this.#closed) door.close();
      else this.#door = door;
    } catch (error) {
      this.#guard.options.notice(`There is no control socket: ${messageOf(error)}`);
    }
  }

  close(): void {
    this.#closed = true;
    this.#door?.close();
  }
}

async function openDoor(guard: Guard): Promise<{ close(): void }> {
  const { options, platform, digests, controlPath: path } = guard;
  if (path === undefined) throw new Error("there is no runtime folder that is ours alone");
  const [{ openControlDoor }, { clearStale }] = await Promise.all([
    import("./front/control/control-door.ts"),
    import("./front/control/control-socket.ts"),
  ]);
  // Whoever chose the place keeps it clean.
  if (options.control === undefined) await clearStale(dirname(path));
  return await openControlDoor({
    platform,
    path,
    digests,
    trustDomain: guard.policy?.trustDomain ?? "localhost",
    refused: (peer) => tellRefusal(guard, peer),
    notice: options.notice,
    controls: controlsOf(guard),
  });
}

function controlsOf(guard: Guard): Controls {
  return {
    overview: () => overview(guard),
    end: (id, asker) => endSession(guard, id, asker),
    reload: (asker) => reload(guard, asker),
    metrics: () => metrics(guard),
    keys: () => guard.tokens?.issuer?.jwks,
  };
}

function overview(guard: Guard): GuardOverview {
  const { name, options, open } = guard;
  return {
    name,
    pid: process.pid,
    version: options.version,
    started: new Date(Date.now() - process.uptime() * 1000).toISOString(),
    policy: policyOf(guard),
    listen: options.listen,
    audit: guard.auditFile,
    sessions: open.list().map(describe),
  };
}

function policyOf({ policy, policyDigest, options }: Guard): PolicyOverview | undefined {
  if (policy === undefined) return undefined;
  return {
    name: policy.name,
    file: resolve(options.policyFile ?? ""),
    sha256: policyDigest ?? "",
    mode: policy.mode,
  };
}

function describe({ id, session, peer, identity, startedAt }: OpenSession): SessionOverview {
  const { calls, pending, idleMs } = session.use;
  return {
    id,
    started: new Date(startedAt).toISOString(),
    idle_s: Math.round(idleMs / 1000),
    calls,
    pending,
    client: peer.client,
    grade: peer.grade,
    who: JSON.parse(identityText(identity)) as object,
  };
}

function endSession(guard: Guard, id: string, asker: SessionIdentity): boolean {
  const found = guard.open.find(id);
  if (found === undefined) return false;
  record(guard, asker, { action: "end-session", target: id });
  found.session.end("ended-by-owner");
  return true;
}

async function reload(guard: Guard, asker: SessionIdentity): Promise<ReloadAnswer> {
  record(guard, asker, { action: "reload-policy" });
  const reloaded = await guard.reload();
  if ("refused" in reloaded) return reloaded;
  return { policy: policyOf(guard)!, same: reloaded.same };
}

function metrics(guard: Guard): readonly Metric[] {
  const policy = policyOf(guard);
  return guardMetrics({
    counts: guard.counts,
    sessions: guard.open.list().length,
    version: guard.options.version,
    server: guard.name,
    policy,
  });
}

/** First the record, then the deed. @throws {GuardError} `ERR_AUDIT_UNWRITABLE`, unless the policy lets it go on. */
function record({ log }: Guard, asker: SessionIdentity, detail: Readonly<Record<string, unknown>>): void {
  const id = newSessionId();
  log.identify(id, asker);
  try {
    log.append({ type: "control", session: id, detail });
    log.flush();
  } catch (error) {
    if (log.mandatory) throw error;
  } finally {
    log.forget(id);
  }
}
