/**
 * macOS. UNTESTED: it has never run on one. Streams and descriptors only; every question about a process is answered
 * "absent" or refused. LOCAL_PEERPID names whoever used the socket last, not who connected (XNU,
 * bsd/kern/uipc_usrreq.c), so credentials wait for LOCAL_PEERTOKEN: half of them would be a guess.
 */
import { absent, type Credentials, type Fact } from "../model/evidence.ts";
import { describeDescriptor } from "./descriptor.ts";
import type { Platform } from "./platform.ts";
import { openDescriptorStream, withoutSenders } from "./stream.ts";
import { openUnsupported } from "./unsupported.ts";

export function openDarwin(): Platform {
  return {
    ...openUnsupported(),
    name: "darwin",
    describe: (fd) => describeDescriptor(fd, "/dev/fd"),
    peerCredentials,
    peerProcess: () => undefined,
    openProcess: () => undefined,
    openStream: (fd, direction) =>
      openDescriptorStream(fd, describeDescriptor(fd, "/dev/fd").kind, direction),
    openPeerStream: (fd, direction) =>
      withoutSenders(openDescriptorStream(fd, describeDescriptor(fd, "/dev/fd").kind, direction)),
    unreadBytes: () => undefined,
  };
}

/** Credentials without a pid are not credentials here: until LOCAL_PEERTOKEN is read, the peer stays unidentified. */
function peerCredentials(): Fact<Credentials> {
  return absent("peercred:not-on-darwin-yet");
}
