/** A guard that listens: a session for each peer that is admitted, until a signal stops it. */
import { ControlSocket } from "./control.ts";
import { type Door, openDoors } from "./doors.ts";
import { Capacity } from "./front/capacity.ts";
import { assemble, type GuardOptions } from "./guard.ts";
import { Sessions } from "./sessions.ts";
import { httpTokensOf } from "./door-tokens.ts";
import { StopSignals } from "./stop-signals.ts";

/** Sessions at a time, without a policy: each has a process of the server. */
const MAX_SESSIONS = 64;

/**
 * Listens at its doors and guards a server for every peer that is admitted, until a signal stops it.
 *
 * @returns 0: what became of single sessions is told by the audit log.
 * @throws {GuardError} When the guard cannot start; `ERR_SOCKET_UNSAFE` where a socket may not or cannot be made.
 */
export async function guardSockets(options: GuardOptions): Promise<number> {
  const guard = await assemble(options);
  const signals = new StopSignals(options.policyFile === undefined ? undefined : ["SIGINT", "SIGTERM"]);
  const sessions = new Sessions(guard);
  const capacity = new Capacity(() => guard.policy?.session.maxSessions ?? MAX_SESSIONS);
  const doors: Door[] = [];
  const close = (): void => {
    for (const door of doors) door.close();
  };
  const house = { guard, sessions, capacity, httpTokens: httpTokensOf(guard) };
  try {
    for (const url of options.listen) doors.push(...await openDoors(house, url));
  } catch (error) {
    close();
    guard.log.close("socket-unsafe");
    throw error;
  }
  // As for every daemon. Without a policy there is nothing to load, and it stops us as it stops everybody.
  if (options.policyFile !== undefined) process.on("SIGHUP", () => void guard.reload());
  const control = new ControlSocket(guard);
  await control.open();
  await new Promise<void>((resolve) => signals.tell(resolve));
  close();
  // A second signal climbs the ladder that stops the servers.
  signals.tell(() => void sessions.stop());
  await sessions.stop();
  control.close();
  guard.digests.close();
  guard.log.close("signal");
  return 0;
}
