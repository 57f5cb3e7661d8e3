/**
 * The system calls we make on Linux, by name and number.
 *
 * Numbers are those of asm-generic, which x86, arm, riscv and loongarch share (all that koffi has binaries for); system
 * calls above 423 have one number everywhere. Every call returns -1 and leaves its errno to `errno()`, which must be
 * read at once.
 *
 * Descriptors made here are the kernel's own numbers. They are closed by `close` below and never given to `node:fs`:
 * Deno's `fs` refuses descriptors that it did not open. Reads go through `/proc/self/fd/<n>` instead.
 */
import { errnoName, native } from "../native.ts";

export const SO_PEERCRED = 17;
export const SO_PEERPIDFD = 77;
export const PR_SET_DUMPABLE = 4;
/** Bytes not yet read by the other end, for sockets (`SIOCOUTQ`, the same number as `TIOCOUTQ`). */
export const SIOCOUTQ = 0x5411;
/** Bytes in a pipe, asked at either end. */
export const FIONREAD = 0x541b;

const SOL_SOCKET = 1;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SYS_PIDFD_OPEN = 434;
const O_CLOEXEC = 0o2000000;
const POLLIN = 1;

export interface Calls {
  errno(): string;
  open(path: string, flags: number): number;
  close(fd: number): number;
  socketPair(): readonly [number, number] | undefined;
  pipe(): readonly [number, number] | undefined;
  /** @returns The option's bytes, in a buffer that the next call reuses; undefined on error. */
  socketOption(fd: number, option: number): DataView | undefined;
  pidfdOpen(pid: number): number;
  /** @returns Whether the descriptor is readable now; undefined on error. */
  readable(fd: number): boolean | undefined;
  setDumpable(dumpable: boolean): number;
  /** From here on the kernel drops this signal. */
  ignoreSignal(signal: number): void;
  /** @returns The count an ioctl of this kind gives; undefined on error. */
  count(fd: number, request: number): number | undefined;
}

let bound: Calls | undefined;

/** @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when koffi cannot be loaded. */
export function calls(): Calls {
  return bound ??= bind();
}

function bind(): Calls {
  const { func, errno } = native();
  const open = func("int open(const char *path, int flags)");
  const close = func("int close(int fd)");
  const socketpair = func("int socketpair(int domain, int type, int protocol, void *pair)");
  const pipe2 = func("int pipe2(void *ends, int flags)");
  const getsockopt = func("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const syscall = func("long syscall(long number, long a, long b, long c, long d, long e)");
  const poll = func("int poll(void *fds, ulong count, int timeout)");
  const prctl = func("int prctl(int option, ulong a, ulong b, ulong c, ulong d)");
  const ioctl = func("int ioctl(int fd, ulong request, void *value)");
  // Reused by every call: all of this is synchronous and on one thread.
  const value = new DataView(new ArrayBuffer(16));
  const length = new Uint32Array(1);
  const integers = new Int32Array(2);
  return {
    errno: () => errnoName(errno()),
    open: (path, flags) => open(path, flags | O_CLOEXEC),
    close,
    socketPair() {
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, integers) !== 0) return undefined;
      return [integers[0]!, integers[1]!];
    },
    pipe() {
      return pipe2(integers, O_CLOEXEC) === 0 ? [integers[0]!, integers[1]!] : undefined;
    },
    socketOption(fd, option) {
      length[0] = value.byteLength;
      return getsockopt(fd, SOL_SOCKET, option, value.buffer, length) === 0 ? value : undefined;
    },
    pidfdOpen: (pid) => syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0, 0),
    readable(fd) {
      // struct pollfd { int fd; short events; short revents }
      value.setInt32(0, fd, true);
      value.setInt32(4, POLLIN, true);
      const ready = poll(value.buffer, 1, 0);
      return ready < 0 ? undefined : ready > 0;
    },
    setDumpable: (dumpable) => prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0),
    ignoreSignal(signal) {
      // Bound here: only Deno needs it. SIG_IGN is 1 (signal(2)).
      func("void *signal(int number, intptr_t handler)")(signal, 1);
    },
    count(fd, request) {
      return ioctl(fd, request, integers) === 0 ? integers[0]! : undefined;
    },
  };
}
