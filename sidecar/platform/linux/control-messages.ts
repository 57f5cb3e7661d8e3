/**
 * What recvmsg(2) put beside the bytes: who sent them, and descriptors that nobody asked for.
 *
 * The layout is cmsg(3): a header of length, level and type, then the payload, each message aligned to a word. The
 * bytes come from the kernel, but their order and number are the sender's doing, so nothing about them is assumed.
 */
import type { Credentials } from "../../model/evidence.ts";

/** Bytes of a `size_t` here. */
export const WORD = process.arch === "arm" || process.arch === "ia32" ? 4 : 8;

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const SCM_PIDFD = 4;
const UCRED_BYTES = 12;

export interface ControlMessages {
  /** Set only when there was exactly one complete credential message. */
  readonly sender: Credentials | undefined;
  /** Descriptors that are in our table now: whoever reads this owns them. */
  readonly descriptors: readonly number[];
  /** Whether the sender handed over descriptors of its own. */
  readonly rights: boolean;
}

/** The room that one credential message takes. */
export function credentialSpace(word: number = WORD): number {
  return align(headerBytes(word), word) + align(UCRED_BYTES, word);
}

/** The room that one message with so many descriptors takes; none for none. */
export function descriptorSpace(count: number, word: number = WORD): number {
  return count === 0 ? 0 : align(headerBytes(word), word) + align(count * 4, word);
}

/** A message that hands these over, for sendmsg(2). */
export function descriptorMessage(descriptors: readonly number[], word: number = WORD): DataView {
  const bytes = new DataView(new ArrayBuffer(descriptorSpace(descriptors.length, word)));
  const payload = align(headerBytes(word), word);
  // The upper half of a 64-bit length stays zero.
  bytes.setUint32(0, payload + descriptors.length * 4, true);
  bytes.setInt32(word, SOL_SOCKET, true);
  bytes.setInt32(word + 4, SCM_RIGHTS, true);
  for (const [index, fd] of descriptors.entries()) bytes.setInt32(payload + index * 4, fd, true);
  return bytes;
}

/**
 * Reads the control buffer of one recvmsg. Never throws; what is cut off or malformed counts as not there, and nothing
 * after it is read.
 *
 * @param length How many bytes the kernel said it wrote; more than there are counts as malformed.
 */
export function parseControl(bytes: DataView, length: number, word: number = WORD): ControlMessages {
  const descriptors: number[] = [];
  let sender: Credentials | undefined;
  let credentials = 0;
  let rights = false;
  const end = length >= 0 && length <= bytes.byteLength ? length : 0;
  for (let at = 0; at + headerBytes(word) <= end;) {
    const size = messageBytes(bytes, at, word);
    if (size < headerBytes(word) || at + size > end) break;
    const payload = at + align(headerBytes(word), word);
    const payloadBytes = Math.max(0, at + size - payload);
    const type = bytes.getInt32(at + word, true) === SOL_SOCKET ? bytes.getInt32(at + word + 4, true) : 0;
    if (type === SCM_CREDENTIALS) {
      credentials++;
      sender = readSender(bytes, payload, payloadBytes);
    } else if (type === SCM_RIGHTS || type === SCM_PIDFD) {
      rights ||= type === SCM_RIGHTS;
      readDescriptors(bytes, payload, payloadBytes, descriptors);
    }
    at += align(size, word);
  }
  return { sender: credentials === 1 ? sender : undefined, descriptors, rights };
}

/** `struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }` */
function headerBytes(word: number): number {
  return word + 8;
}

function align(size: number, word: number): number {
  return Math.ceil(size / word) * word;
}

function messageBytes(bytes: DataView, at: number, word: number): number {
  // No honest length needs the upper half of a 64-bit word: with anything in it the sum is out of range.
  return word === 4
    ? bytes.getUint32(at, true)
    : bytes.getUint32(at, true) + bytes.getUint32(at + 4, true) * 2 ** 32;
}

/** `struct ucred { pid_t pid; uid_t uid; gid_t gid; }`, of exactly that size. */
function readSender(bytes: DataView, at: number, length: number): Credentials | undefined {
  if (length !== UCRED_BYTES) return undefined;
  const pid = bytes.getInt32(at, true);
  if (pid < 0) return undefined;
  return { pid, uid: bytes.getUint32(at + 4, true), gid: bytes.getUint32(at + 8, true) };
}

function readDescriptors(bytes: DataView, at: number, length: number, into: number[]): void {
  for (let offset = 0; offset + 4 <= length; offset += 4) {
    const fd = bytes.getInt32(at + offset, true);
    if (fd >= 0) into.push(fd);
  }
}
