import { GuardError } from "../model/errors.ts";
import type { Platform } from "./platform.ts";

/** A platform on which everything refuses. "No credentials" never means "allowed". */
export function openUnsupported(): Platform {
  return {
    name: "unsupported",
    hardenSelf: () => refuse("protect its own memory"),
    describe: () => refuse("describe a descriptor"),
    peerCredentials: () => refuse("read peer credentials"),
    peerGroups: () => refuse("read a peer's groups"),
    peerLabel: () => refuse("read a peer's label"),
    peerProcess: () => refuse("hold a peer's process"),
    openProcess: () => refuse("hold a process"),
    openStream: () => refuse("open a stream"),
    openPeerStream: () => refuse("open a stream"),
    listenUnix: () => refuse("listen at a socket"),
    connectUnix: () => refuse("connect to a socket"),
    passDescriptors: () => refuse("hand descriptors over"),
    recognize: () => refuse("recognize a descriptor"),
    socketPair: () => refuse("make a socket pair"),
    pipe: () => refuse("make a pipe"),
    reopenForWriting: () => refuse("reopen a descriptor"),
    closeDescriptor: () => refuse("close a descriptor"),
    tcpPeer: () => refuse("find the other end of a TCP connection"),
    socketHolders: () => refuse("find who holds a socket"),
    unreadBytes: () => refuse("count unread bytes"),
  };
}

/** @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED`, always. */
export function refuse(what: string): never {
  throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot ${what} on '${process.platform}'`);
}
