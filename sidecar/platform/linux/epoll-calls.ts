/** The system calls of waiting on a thread: epoll(7), eventfd(2). */
import type { Native } from "../native.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
/** More sockets than this are told in the next round. */
const MAX_EVENTS = 64;
/** `struct epoll_event { uint32_t events; uint64_t data }`: packed on x86. */
const [EVENT_BYTES, DATA_OFFSET] = process.arch === "x64" || process.arch === "ia32" ? [12, 4] : [16, 8];

export interface EpollCalls {
  epollCreate(): number;
  /** Reports `id` as long as the descriptor can be read, or its other end is gone. */
  epollAdd(epoll: number, fd: number, id: number): number;
  epollRemove(epoll: number, fd: number): number;
  /** Blocks on another thread until something is reported. @param done Gets the ids; undefined on error. */
  epollWait(epoll: number, done: (ids: readonly number[] | undefined) => void): void;
  /** Something that becomes readable by `signal` and stops to be by `silence`. */
  eventCreate(): number;
  signal(event: number): number;
  silence(event: number): number;
}

export function bindEpoll({ func, asyncFunc }: Native): EpollCalls {
  const epollCreate1 = func("int epoll_create1(int flags)");
  const epollCtl = func("int epoll_ctl(int epoll, int operation, int fd, void *event)");
  const epollWait = asyncFunc("int epoll_wait(int epoll, void *events, int count, int timeout)");
  const eventfd = func("int eventfd(uint count, int flags)");
  const write = func("int64 write(int fd, void *bytes, size_t count)");
  const read = func("int64 read(int fd, void *bytes, size_t count)");
  const event = new DataView(new ArrayBuffer(EVENT_BYTES));
  const counter = new DataView(new ArrayBuffer(8));
  const spare: DataView[] = [];
  return {
    epollCreate: () => epollCreate1(CLOEXEC),
    epollAdd(epoll, fd, id) {
      event.setUint32(0, EPOLLIN, true);
      event.setBigUint64(DATA_OFFSET, BigInt(id), true);
      return epollCtl(epoll, EPOLL_CTL_ADD, fd, event.buffer);
    },
    epollRemove: (epoll, fd) => epollCtl(epoll, EPOLL_CTL_DEL, fd, event.buffer),
    epollWait(epoll, done) {
      // A buffer of its own until then: the thread writes to it while this one goes on.
      const events = spare.pop() ?? new DataView(new ArrayBuffer(EVENT_BYTES * MAX_EVENTS));
      epollWait([epoll, events.buffer, MAX_EVENTS, -1], (count) => {
        spare.push(events);
        done(readIds(events, count));
      });
    },
    eventCreate: () => eventfd(0, CLOEXEC | NONBLOCK),
    signal(fd) {
      counter.setBigUint64(0, 1n, true);
      return write(fd, counter.buffer, 8);
    },
    silence: (fd) => read(fd, counter.buffer, 8),
  };
}

function readIds(events: DataView, count: number): readonly number[] | undefined {
  if (count < 0) return undefined;
  return Array.from(
    { length: count },
    (_, index) => Number(events.getBigUint64(index * EVENT_BYTES + DATA_OFFSET, true)),
  );
}
