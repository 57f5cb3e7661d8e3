/** The other side of a Unix socket: connecting to somebody who listens, and handing descriptors to him. */
import type { Calls } from "./calls.ts";

/** @throws with `code` as the kernel gave it: ENOENT, ECONNREFUSED where nobody listens, EAGAIN where too many wait. */
export function connectUnix(calls: Calls, path: string): number {
  const fd = calls.unixSocket();
  if (fd < 0) throw failure("socket", calls.errno());
  if (calls.connectUnix(fd, path) === 0) return fd;
  const error = failure("connect", calls.errno());
  calls.close(fd);
  throw error;
}

/** @throws with `code` as the kernel gave it. */
export function passDescriptors(
  calls: Calls,
  socket: number,
  bytes: Uint8Array,
  descriptors: readonly number[],
): void {
  const sent = calls.sendDescriptors(socket, bytes, descriptors);
  if (sent < 0) throw failure("sendmsg", calls.errno());
  if (sent < bytes.length) throw failure("sendmsg", "EMSGSIZE");
}

function failure(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
}
