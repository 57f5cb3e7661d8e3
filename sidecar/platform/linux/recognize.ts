/**
 * What a descriptor is that somebody handed over.
 *
 * Defends against: files of a server in user space (FUSE) that never answers, and sockets that linger when they are
 * closed. Either would hold up this process for as long as the sender likes, so neither stat(2) nor close(2) is tried.
 */
import { readlinkSync } from "node:fs";
import type { Calls } from "./calls.ts";
import { isUnixStream } from "./socket-calls.ts";

/** The link is the kernel's own text. A file's begins with a slash or with `(unreachable)`, whatever it is called. */
export function recognize(calls: Calls, fd: number): "unix-stream" | "pipe" | undefined {
  let link: string;
  try {
    link = readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // closed, or /proc is not there
  }
  if (link.startsWith("pipe:[")) return "pipe";
  return link.startsWith("socket:[") && isUnixStream(calls, fd) ? "unix-stream" : undefined;
}
