/**
 * The composition root: what a guard does from its start to its end.
 */
import { attestStdio } from "./attest/attest-stdio.ts";
import { openOwnStdio } from "./front/stdio.ts";
import {
  type AdmissionRequest,
  admitPeer,
  type AdmittedPeer,
  type RefusedPeer,
} from "./gate/admission/admit.ts";
import { turnAway } from "./gate/admission/turn-away.ts";
import { ControlSocket } from "./control.ts";
import { assemble, exitCode, type Guard, type GuardOptions, openSession, tellRefusal } from "./guard.ts";
import { StopSignals } from "./stop-signals.ts";
import { exitCodeOf } from "./upstream/exit.ts";
import type { LaunchedUpstream } from "./upstream/launch-options.ts";
import type { StopCause, UpstreamExit } from "./upstream/upstream.ts";

export type { GuardOptions } from "./guard.ts";

const NOT_ADMITTED = 1;
const CONTROL_LATER_MS = 1000;

/**
 * Guards a server for whoever spawned us, or, where it is to listen, for whoever is admitted.
 *
 * @returns The exit code to hand on.
 * @throws {GuardError} When the guard itself cannot start. Nothing was started then.
 */
export async function guard(options: GuardOptions): Promise<number> {
  if (options.listen.length === 0) return await guardStdio(options);
  // A guard of one's own stdio, for which a client waits, does not load the doors.
  const { guardSockets } = await import("./sockets.ts");
  return await guardSockets(options);
}

/**
 * Guards one stdio server for whoever spawned us, until either ends.
 *
 * @returns The exit code to hand on: the server's own, 128 + n after signal n, 127 when it could not be started, 1 when
 * whoever spawned us is not admitted.
 * @throws {GuardError} When the guard itself cannot start: policy, audit log, platform. Nothing was started then.
 */
async function guardStdio(options: GuardOptions): Promise<number> {
  const guard = await assemble(options);
  if (guard.policy?.session.children === "shared") {
    options.notice("'session.children: shared' changes nothing here: own standard streams have one session");
  }
  const control = new ControlSocket(guard);
  // A client waits for us, and may be gone soon.
  setTimeout(() => void control.open(), CONTROL_LATER_MS).unref();
  try {
    return await guardPeer(guard);
  } finally {
    control.close();
  }
}

async function guardPeer(guard: Guard): Promise<number> {
  const signals = new StopSignals();
  // The server starts while we look at who started us.
  const early = guard.launch();
  // Whatever becomes of it is heard by the session; between here and there nobody listens.
  early.catch(() => {});
  try {
    const request = stdioRequest(guard);
    const stopped = new Promise<undefined>((resolve) => signals.tell(() => resolve(undefined)));
    const peer = await Promise.race([admitPeer(request), stopped]);
    if (peer?.admitted === true) return await serve(guard, peer, early, signals);
    const exit = stopEarly(early, peer === undefined ? "signal" : "refused");
    if (peer !== undefined) await refuse(guard, peer, request);
    return close(guard, request, peer?.code ?? "signal", peer === undefined ? await exit : undefined);
  } catch (error) {
    await stopEarly(early, "internal");
    throw error;
  }
}

function stdioRequest({ platform, policy, digests, world }: Guard): AdmissionRequest {
  // First the stream: from then on the kernel says who sends, and nothing is read before we looked.
  const stream = openOwnStdio(platform);
  const attestation = attestStdio(platform, {
    inputFd: 0,
    outputFd: 1,
    senders: stream.namesSenders,
    digests,
  });
  return {
    stream,
    attestation,
    clients: policy?.clients,
    world,
    uid: process.geteuid?.(),
    trustDomain: policy?.trustDomain ?? "localhost",
  };
}

async function serve(
  guard: Guard,
  peer: AdmittedPeer,
  early: Promise<LaunchedUpstream>,
  signals: StopSignals,
): Promise<number> {
  let first: Promise<LaunchedUpstream> | undefined = early;
  const session = openSession(guard, peer, () => {
    const launched = first ?? guard.launch();
    first = undefined;
    return launched;
  });
  signals.tell(() => session.stop("signal"));
  const end = await session.ended;
  const { exit, error } = end;
  guard.digests.close();
  guard.log.close(error?.code ?? exit?.cause ?? "server-exit");
  if (error !== undefined) guard.options.notice(error.message);
  return exitCode(end);
}

async function refuse(guard: Guard, peer: RefusedPeer, { stream }: AdmissionRequest): Promise<void> {
  const refusal = await tellRefusal(guard, peer);
  await turnAway(stream, { code: peer.code, refusal });
}

/** @returns How the server ended; undefined when it never ran. */
async function stopEarly(
  early: Promise<LaunchedUpstream>,
  cause: StopCause,
): Promise<UpstreamExit | undefined> {
  try {
    return await (await early).stop(cause);
  } catch {
    // It could not be started: there is nothing to stop, and whoever asked for it is being turned away.
    return undefined;
  }
}

function close(
  { digests, log }: Guard,
  { attestation }: AdmissionRequest,
  reason: string,
  exit: UpstreamExit | undefined,
): number {
  attestation.close();
  digests.close();
  log.close(reason);
  return exit === undefined ? NOT_ADMITTED : exitCodeOf(exit);
}
