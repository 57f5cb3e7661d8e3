/**
 * One thread that waits for all sockets at once, where the event loop cannot.
 *
 * The epoll set tells as long as there is something to read, so nothing that happens between two waits is missed. One
 * wait is under way as long as any socket is open, and none after that, since it keeps the process alive.
 */
import { GuardError } from "../../model/errors.ts";
import type { Calls } from "./calls.ts";
import type { Readiness } from "./readiness.ts";

interface Listener {
  readable(): void;
  failed(error: Error): void;
}

/** The id of the event that ends a wait. */
const INTERRUPT = 0;
/** A wait that a signal interrupted is begun again. One that fails so often in a row will not work. */
const MAX_FAILURES = 64;

class EpollThread {
  readonly #calls: Calls;
  /** By number and not by descriptor: what is told of a closed socket must not reach the next one of that number. */
  readonly #armed = new Map<number, Listener>();
  #epoll = -1;
  #interrupt = -1;
  #nextId = INTERRUPT + 1;
  #open = 0;
  #waiting = false;
  #failures = 0;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  watch(fd: number, listener: Listener): Readiness {
    const id = this.#nextId++;
    let state: "new" | "armed" | "idle" | "closed" = "new";
    const stop = (): void => {
      if (state !== "armed") return;
      state = "idle";
      this.#armed.delete(id);
      this.#calls.epollRemove(this.#epoll, fd);
    };
    return {
      start: () => {
        if (state === "armed" || state === "closed") return;
        this.#arm(fd, id, listener);
        if (state === "new") this.#open++;
        state = "armed";
        this.#wait();
      },
      stop,
      close: () => {
        stop();
        if (state === "idle") this.#release();
        state = "closed";
      },
    };
  }

  #arm(fd: number, id: number, listener: Listener): void {
    const { epollAdd, epollCreate, eventCreate } = this.#calls;
    if (this.#epoll < 0) this.#epoll = this.#expect("epoll_create1", epollCreate());
    if (this.#interrupt < 0) {
      this.#interrupt = this.#expect("eventfd", eventCreate());
      this.#expect("epoll_ctl", epollAdd(this.#epoll, this.#interrupt, INTERRUPT));
    }
    this.#expect("epoll_ctl", epollAdd(this.#epoll, fd, id));
    this.#armed.set(id, listener);
  }

  #expect(call: string, result: number): number {
    if (result >= 0) return result;
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot watch a socket: ${call} ${this.#calls.errno()}`);
  }

  #wait(): void {
    if (this.#waiting || this.#open === 0) return;
    this.#waiting = true;
    this.#calls.epollWait(this.#epoll, (ids) => {
      this.#waiting = false;
      try {
        this.#tell(ids);
      } finally {
        // Also when a listener throws: the others still wait.
        this.#wait();
      }
    });
  }

  #tell(ids: readonly number[] | undefined): void {
    if (ids === undefined) {
      if (++this.#failures > MAX_FAILURES) this.#giveUp();
      return;
    }
    this.#failures = 0;
    for (const id of ids) {
      if (id === INTERRUPT) this.#calls.silence(this.#interrupt);
      else this.#armed.get(id)?.readable();
    }
  }

  /** The wait under way would keep the process alive until the next byte of nobody. */
  #release(): void {
    this.#open--;
    if (this.#open === 0 && this.#waiting) this.#calls.signal(this.#interrupt);
  }

  #giveUp(): void {
    const error = new GuardError("ERR_PLATFORM_UNSUPPORTED", "Cannot watch sockets: epoll_wait fails");
    for (const listener of this.#armed.values()) listener.failed(error);
  }
}

const threads = new WeakMap<Calls, EpollThread>();

/** Waits on the one thread there is for this. */
export function watchByThread(
  calls: Calls,
  fd: number,
  readable: () => void,
  failed: (error: Error) => void,
): Readiness {
  let thread = threads.get(calls);
  if (thread === undefined) threads.set(calls, thread = new EpollThread(calls));
  return thread.watch(fd, { readable, failed });
}
