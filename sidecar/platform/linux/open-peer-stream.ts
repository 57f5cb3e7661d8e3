/**
 * Which descriptors can name senders: Unix stream sockets, from the moment they are asked to.
 */
import { GuardError } from "../../model/errors.ts";
import type { Calls } from "./calls.ts";
import { Receiver } from "./receive.ts";
import { SenderStream } from "./sender-stream.ts";
import {
  AF_UNIX,
  SO_DOMAIN,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PASSSEC,
  SO_TYPE,
  SOCK_STREAM,
} from "./socket-calls.ts";

/** One set of buffers for all sockets of one table of calls. */
const receivers = new WeakMap<Calls, Receiver>();

/**
 * Whether this is a socket on which the kernel can name the sender of each read. An error answers no: what is read by
 * other means has no sender, which nobody takes for proof.
 */
export function canNameSenders(calls: Calls, fd: number): boolean {
  return integerOption(calls, fd, SO_DOMAIN) === AF_UNIX && integerOption(calls, fd, SO_TYPE) === SOCK_STREAM;
}

/**
 * Bytes that were sent before this call have a sender of pid 0; all later ones are named.
 *
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when the kernel refuses to name them.
 */
export function openSenderStream(calls: Calls, fd: number, writes: boolean): SenderStream {
  if (calls.setSocketOption(fd, SO_PASSCRED, 1) !== 0) {
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot ask for senders: SO_PASSCRED ${calls.errno()}`);
  }
  // Whoever made the socket may have asked for more, which has no room beside the sender and would end the session.
  // Kernels that do not know these refuse, and then they are off.
  calls.setSocketOption(fd, SO_PASSPIDFD, 0);
  calls.setSocketOption(fd, SO_PASSSEC, 0);
  let receiver = receivers.get(calls);
  if (receiver === undefined) receivers.set(calls, receiver = new Receiver(calls));
  return new SenderStream(fd, writes, { calls, receiver });
}

function integerOption(calls: Calls, fd: number, option: number): number | undefined {
  return calls.socketOption(fd, option)?.getInt32(0, true);
}
