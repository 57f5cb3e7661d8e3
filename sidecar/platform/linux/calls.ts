/**
 * The system calls we make on Linux: one table, so that a test can make each of them fail in each way.
 *
 * Numbers are those of asm-generic, which x86, arm, riscv and loongarch share (all that koffi has binaries for); system
 * calls above 423 have one number everywhere. Every call returns -1 and leaves its errno to `errno()`, which must be
 * read at once.
 *
 * Descriptors made here are the kernel's own numbers. They are closed by `close` below and never given to `node:fs`:
 * Deno's `fs` refuses descriptors that it did not open. Reads go through `/proc/self/fd/<n>` instead.
 */
import { errnoName, type Native, native } from "../native.ts";
import { bindEpoll, type EpollCalls } from "./epoll-calls.ts";
import { bindSockets, type SocketCalls } from "./socket-calls.ts";

export const PR_SET_DUMPABLE = 4;
/** Bytes not yet read by the other end, for sockets (`SIOCOUTQ`, the same number as `TIOCOUTQ`). */
export const SIOCOUTQ = 0x5411;
/** Bytes to be read: in a pipe, asked at either end, and in a socket (`SIOCINQ`). */
export const FIONREAD = 0x541b;

const SYS_PIDFD_OPEN = 434;
const O_CLOEXEC = 0o2000000;
const POLLIN = 1;

export interface Calls extends SocketCalls, EpollCalls {
  errno(): string;
  open(path: string, flags: number): number;
  close(fd: number): number;
  pipe(): readonly [number, number] | undefined;
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
export function systemCalls(): Calls {
  if (bound !== undefined) return bound;
  const libc = native();
  const errno = () => errnoName(libc.errno());
  return bound = { errno, ...bindProcesses(libc), ...bindSockets(libc), ...bindEpoll(libc) };
}

function bindProcesses({ func }: Native): Omit<Calls, "errno" | keyof SocketCalls | keyof EpollCalls> {
  const open = func("int open(const char *path, int flags)");
  const close = func("int close(int fd)");
  const pipe2 = func("int pipe2(void *ends, int flags)");
  const syscall = func("long syscall(long number, long a, long b, long c, long d, long e)");
  const poll = func("int poll(void *fds, ulong count, int timeout)");
  const prctl = func("int prctl(int option, ulong a, ulong b, ulong c, ulong d)");
  const ioctl = func("int ioctl(int fd, ulong request, void *value)");
  // Reused by every call: all of this is synchronous and on one thread.
  const value = new DataView(new ArrayBuffer(8));
  const integers = new Int32Array(2);
  return {
    open: (path, flags) => open(path, flags | O_CLOEXEC),
    close,
    pipe() {
      return pipe2(integers, O_CLOEXEC) === 0 ? [integers[0]!, integers[1]!] : undefined;
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
