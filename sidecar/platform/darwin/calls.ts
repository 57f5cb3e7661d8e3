/**
 * The calls we make on macOS: one table, so that a test can make each of them fail in each way. UNTESTED: none of them
 * was ever made.
 *
 * Those that fill a buffer return how many bytes, or -1 with the reason in `errno()`, which must be read at once.
 */
import { errnoName, type Native, native } from "../native.ts";

/** sys/un.h */
export const LOCAL_PEERCRED = 1;
export const LOCAL_PEERPID = 2;
export const LOCAL_PEERTOKEN = 6;
/** sys/proc_info.h, sys/proc_info_private.h */
export const PROC_PIDT_SHORTBSDINFO = 13;
export const PROC_PIDUNIQIDENTIFIERINFO = 17;
/** sys/codesign.h */
export const CS_OPS_STATUS = 0;
export const CS_OPS_CDHASH = 5;

const SOL_LOCAL = 0;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** sys/fcntl.h: macOS has neither SOCK_CLOEXEC nor pipe2. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** sys/ptrace.h */
const PT_DENY_ATTACH = 31;

export interface DarwinCalls {
  errno(): string;
  close(fd: number): number;
  socketPair(): readonly [number, number] | undefined;
  pipe(): readonly [number, number] | undefined;
  /** getsockopt(2) at the level SOL_LOCAL. */
  peerOption(fd: number, option: number, into: Uint8Array): number;
  /** proc_pidinfo of libproc.h. A zombie is not found. */
  processInfo(pid: number, flavor: number, into: Uint8Array): number;
  /** csops_audittoken of sys/codesign.h: what the kernel holds of this very image's signature. 0, or -1. */
  codeSigning(pid: number, operation: number, into: Uint8Array, token: Uint8Array): number;
  /** proc_pidpath_audittoken of libproc.h (macOS 11): the path of this very image. */
  imagePath(token: Uint8Array, into: Uint8Array): number;
  /** fstatfs(2). */
  fileSystem(fd: number, into: Uint8Array): number;
  /** ptrace(2). */
  denyAttach(): number;
  ignoreSignal(signal: number): void;
}

let bound: DarwinCalls | undefined;

/** @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when koffi cannot be loaded. */
export function darwinCalls(): DarwinCalls {
  if (bound !== undefined) return bound;
  const libc = native();
  const errno = () => errnoName(libc.errno());
  return bound = { errno, ...bindDescriptors(libc), ...bindProcesses(libc) };
}

type Descriptors = "close" | "socketPair" | "pipe" | "peerOption" | "fileSystem";

function bindDescriptors({ func }: Native): Pick<DarwinCalls, Descriptors> {
  const close = func("int close(int fd)");
  const socketpair = func("int socketpair(int domain, int type, int protocol, void *pair)");
  const pipe = func("int pipe(void *ends)");
  const fcntl = func("int fcntl(int fd, int command, ...)");
  const getsockopt = func("int getsockopt(int fd, int level, int name, void *value, void *length)");
  // On Intel the plain name is the call with 32-bit inodes, which has another structure.
  const name = process.arch === "x64" ? "fstatfs64" : "fstatfs";
  const fstatfs = func(`int ${name}(int fd, void *into)`);
  const length = new Uint32Array(1);
  const ends = new Int32Array(2);
  // Between the two calls nobody forks: only we start children, and on this thread.
  const closeOnExec = (status: number): readonly [number, number] | undefined => {
    if (status !== 0) return undefined;
    const pair = [ends[0]!, ends[1]!] as const;
    if (pair.every((fd) => fcntl(fd, F_SETFD, "int", FD_CLOEXEC) === 0)) return pair;
    pair.forEach((fd) => close(fd));
    return undefined;
  };
  return {
    close,
    socketPair: () => closeOnExec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)),
    pipe: () => closeOnExec(pipe(ends)),
    peerOption(fd, option, into) {
      length[0] = into.length;
      return getsockopt(fd, SOL_LOCAL, option, into, length) === 0 ? length[0] : -1;
    },
    fileSystem: (fd, into) => fstatfs(fd, into) === 0 ? into.length : -1,
  };
}

function bindProcesses({ func }: Native): Omit<DarwinCalls, Descriptors | "errno"> {
  const pidinfo = func("int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size)");
  const csops = func(
    "int csops_audittoken(int pid, uint ops, void *buffer, size_t size, void *token)",
  );
  const pidpath = func("int proc_pidpath_audittoken(void *token, void *buffer, uint size)");
  const ptrace = func("int ptrace(int request, int pid, void *address, int data)");
  const failed = (count: number) => count > 0 ? count : -1;
  return {
    processInfo: (pid, flavor, into) => failed(pidinfo(pid, flavor, 0, into, into.length)),
    codeSigning: (pid, operation, into, token) => csops(pid, operation, into, into.length, token),
    imagePath: (token, into) => failed(pidpath(token, into, into.length)),
    denyAttach: () => ptrace(PT_DENY_ATTACH, 0, null, 0),
    ignoreSignal(signal) {
      // Bound here: only Deno needs it. SIG_IGN is 1 (signal(3)).
      func("void *signal(int number, intptr_t handler)")(signal, 1);
    },
  };
}
