/**
 * Unix stream sockets name senders from the moment they are asked to.
 */
import { GuardError } from "../../model/errors.ts";
import type { Calls } from "./calls.ts";
import { Receiver } from "./receive.ts";
import { SenderStream } from "./sender-stream.ts";
import { SO_PASSCRED, SO_PASSPIDFD, SO_PASSSEC } from "./socket-calls.ts";

/** One set of buffers for all sockets of one table of calls that expect as many descriptors. */
const receivers = new WeakMap<Calls, Map<number, Receiver>>();

/**
 * Bytes that were sent before this call have a sender of pid 0; all later ones are named.
 *
 * @param descriptors How many one read may bring along.
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when the kernel refuses to name them.
 */
export function openSenderStream(
  calls: Calls,
  fd: number,
  writes: boolean,
  descriptors: number = 0,
): SenderStream {
  if (calls.setSocketOption(fd, SO_PASSCRED, 1) !== 0) {
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot ask for senders: SO_PASSCRED ${calls.errno()}`);
  }
  // Whoever made the socket may have asked for more, which has no room beside the sender and would end the session.
  // Kernels that do not know these refuse, and then they are off.
  calls.setSocketOption(fd, SO_PASSPIDFD, 0);
  calls.setSocketOption(fd, SO_PASSSEC, 0);
  return new SenderStream(fd, writes, { calls, receiver: receiverOf(calls, descriptors) });
}

function receiverOf(calls: Calls, descriptors: number): Receiver {
  let known = receivers.get(calls);
  if (known === undefined) receivers.set(calls, known = new Map());
  let receiver = known.get(descriptors);
  if (receiver === undefined) known.set(descriptors, receiver = new Receiver(calls, descriptors));
  return receiver;
}
