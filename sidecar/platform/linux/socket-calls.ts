/** The system calls on sockets: unix(7), socket(7), recvmsg(2). */
import type { Native } from "../native.ts";
import { descriptorMessage } from "./control-messages.ts";
import { Message, messageHeader } from "./message.ts";

export const SO_TYPE = 3;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_PEERSEC = 31;
export const SO_PASSSEC = 34;
export const SO_DOMAIN = 39;
export const SO_PEERGROUPS = 59;
export const SO_PASSPIDFD = 76;
export const SO_PEERPIDFD = 77;

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;

const SOL_SOCKET = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

export interface SocketCalls {
  socketPair(): readonly [number, number] | undefined;
  /** @returns The option's bytes, in a buffer that the next call reuses; undefined on error. */
  socketOption(fd: number, option: number): DataView | undefined;
  /**
   * For options of any length.
   *
   * @returns How many bytes it has. Negative on error: with ERANGE that many bytes are needed, as a negative number.
   */
  longSocketOption(fd: number, option: number, into: Uint8Array): number;
  setSocketOption(fd: number, option: number, value: number): number;
  /** A Unix stream socket, close-on-exec and non-blocking. */
  unixSocket(): number;
  /** Makes the file. Replaces nothing: EADDRINUSE where there is one, be it a link. */
  bindUnix(fd: number, path: string): number;
  listen(fd: number, backlog: number): number;
  /** Non-blocking: EAGAIN where too many wait already. */
  connectUnix(fd: number, path: string): number;
  /** @returns A connection, close-on-exec and non-blocking; -1 on error, EAGAIN when there is none. */
  accept(fd: number): number;
  /** @param descriptors How many it has room for. */
  newMessage(descriptors: number): Message;
  /** recvmsg(2) that does not block. @returns Bytes read, 0 at the end, -1 on error. */
  receive(fd: number, message: Message): number;
  /** sendmsg(2) with SCM_RIGHTS. @returns Bytes sent, -1 on error. */
  sendDescriptors(fd: number, bytes: Uint8Array, descriptors: readonly number[]): number;
}

/** Whether the kernel can name senders on it. An error answers no: what is read by other means has no sender. */
export function isUnixStream(calls: SocketCalls, fd: number): boolean {
  const option = (name: number) => calls.socketOption(fd, name)?.getInt32(0, true);
  return option(SO_DOMAIN) === AF_UNIX && option(SO_TYPE) === SOCK_STREAM;
}

export function bindSockets({ func, address }: Native): SocketCalls {
  const socketpair = func("int socketpair(int domain, int type, int protocol, void *pair)");
  const getsockopt = func("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const setsockopt = func("int setsockopt(int fd, int level, int name, void *value, uint length)");
  const socket = func("int socket(int domain, int type, int protocol)");
  const bind = func("int bind(int fd, void *address, uint length)");
  const listen = func("int listen(int fd, int backlog)");
  const accept4 = func("int accept4(int fd, void *address, void *length, int flags)");
  const connect = func("int connect(int fd, void *address, uint length)");
  const sendmsg = func("int64 sendmsg(int fd, void *message, int flags)");
  const recvmsg = func("int64 recvmsg(int fd, void *message, int flags)");
  const value = new DataView(new ArrayBuffer(16));
  const length = new Uint32Array(1);
  const integers = new Int32Array(2);
  return {
    socketPair() {
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, integers) !== 0) return undefined;
      return [integers[0]!, integers[1]!];
    },
    socketOption(fd, option) {
      length[0] = value.byteLength;
      return getsockopt(fd, SOL_SOCKET, option, value.buffer, length) === 0 ? value : undefined;
    },
    longSocketOption(fd, option, into) {
      length[0] = into.byteLength;
      const status = getsockopt(fd, SOL_SOCKET, option, into, length);
      return status === 0 ? length[0] : -Math.max(1, length[0]);
    },
    setSocketOption(fd, option, flag) {
      integers[0] = flag;
      return setsockopt(fd, SOL_SOCKET, option, integers, 4);
    },
    unixSocket: () => socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    bindUnix(fd, path) {
      const address = unixAddress(path);
      return bind(fd, address, address.length);
    },
    listen,
    connectUnix(fd, path) {
      const address = unixAddress(path);
      return connect(fd, address, address.length);
    },
    accept: (fd) => accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK),
    newMessage: (descriptors) => new Message(address, descriptors),
    receive(fd, message) {
      message.reset();
      return recvmsg(fd, message.header.bytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    },
    sendDescriptors(fd, bytes, descriptors) {
      const data = Uint8Array.from(bytes).buffer;
      const control = descriptorMessage(descriptors).buffer as ArrayBuffer;
      const header = messageHeader(address, data, control);
      const sent = sendmsg(fd, header.bytes, MSG_NOSIGNAL);
      // Nothing that the header points to may be collected before the call is over.
      return Math.min(sent, data.byteLength + control.byteLength + header.iovec.byteLength);
    },
  };
}

/** `struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; }`. What is too long the kernel refuses. */
function unixAddress(path: string): Buffer {
  const address = Buffer.alloc(2 + Buffer.byteLength(path) + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  return address;
}
