/**
 * What the kernel pinned beside a peer's credentials: its supplementary groups and its security label (socket(7)).
 */
import { absent, type Fact, known } from "../../model/evidence.ts";
import type { Calls } from "./calls.ts";
import { SO_PEERGROUPS, SO_PEERSEC } from "./socket-calls.ts";

/** NGROUPS_MAX of Linux; a gid is four bytes. */
const MAX_GROUP_BYTES = 65536 * 4;
/** A label is at most a page in /proc/<pid>/attr/current. */
const MAX_LABEL_BYTES = 4096;
/** What is reported for a group that has no number in our user namespace. */
const OVERFLOW_ID = 65534;

export function peerGroups(calls: Calls, fd: number): Fact<readonly number[]> {
  const bytes = readOption(calls, fd, SO_PEERGROUPS, MAX_GROUP_BYTES);
  if (typeof bytes === "string") return absent(`peergroups:${bytes}`);
  if (bytes.length % 4 !== 0) return absent("peergroups:malformed");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const groups = Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
  // Different groups without a number here all look like this one.
  return groups.includes(OVERFLOW_ID) ? absent("peergroups:gid-unmapped") : known(groups, "kernel");
}

export function peerLabel(calls: Calls, fd: number): Fact<string> {
  const bytes = readOption(calls, fd, SO_PEERSEC, MAX_LABEL_BYTES);
  if (typeof bytes === "string") return absent(`peersec:${bytes}`);
  // SELinux counts the terminating NUL, AppArmor does not. Some older ones end it with a newline.
  const label = Buffer.from(bytes).toString("latin1").replace(/[\0\n]+$/, "");
  return /^[\x20-\x7e]+$/.test(label) ? known(label, "kernel") : absent("peersec:malformed");
}

/** @returns The errno's name when it cannot be read. */
function readOption(calls: Calls, fd: number, option: number, limit: number): Uint8Array | string {
  let capacity = 256;
  // ERANGE tells the size that is needed. What is pinned does not change, so the second time it fits.
  for (let tries = 0; tries < 2; tries++) {
    const bytes = new Uint8Array(capacity);
    const length = calls.longSocketOption(fd, option, bytes);
    if (length >= 0) return bytes.subarray(0, length);
    const errno = calls.errno();
    if (errno !== "ERANGE" || -length <= capacity || -length > limit) return errno;
    capacity = -length;
  }
  return "ERANGE";
}
