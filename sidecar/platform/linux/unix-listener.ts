/**
 * A Unix socket that others connect to: every connection names the sender of each read, from its first byte on.
 *
 * Accepting is our own loop: the runtime's would read before anybody has looked at who connected.
 */
import { type BigIntStats, lstatSync, unlinkSync } from "node:fs";
import { GuardError } from "../../model/errors.ts";
import { monotonicMs } from "../monotonic.ts";
import type { UnixListener, UnixListenerEvents } from "../platform.ts";
import type { Calls } from "./calls.ts";
import { watchByThread } from "./epoll-thread.ts";
import { openSenderStream } from "./open-peer-stream.ts";
import type { Readiness } from "./readiness.ts";
import { SO_PASSCRED } from "./socket-calls.ts";

/** A Unix socket refuses at once when it is full (EAGAIN): clients that start together must find room. */
const BACKLOG = 1024;
/** Connections of one turn: what they lead to has its turn in between. */
const MAX_ACCEPTS = 16;
/** How long to wait when there are no descriptors left: asking at once would only spin. */
const EXHAUSTED_MS = 100;
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);
/** The connection that was next is gone, or a signal came: the one behind it may be fine (accept(2)). */
const PASSING: ReadonlySet<string> = new Set(["ECONNABORTED", "EINTR", "EPROTO"]);
/** Nobody but its owner may connect: the file is made so, and not made so later. */
const PRIVATE_UMASK = 0o177;

/**
 * Makes the socket and listens. The folder is the caller's to have looked at.
 *
 * @throws {GuardError} `ERR_SOCKET_UNSAFE` with the errno: EADDRINUSE where anything is at that path.
 */
export function listenUnix(
  calls: Calls,
  path: string,
  events: UnixListenerEvents,
  descriptors: number = 0,
): UnixListener {
  const fd = expect(calls, path, "socket", calls.unixSocket());
  try {
    // Before anybody can connect: a connection inherits it, and what is sent before we accept has its sender too.
    expect(calls, path, "SO_PASSCRED", calls.setSocketOption(fd, SO_PASSCRED, 1));
    bindPrivately(calls, fd, path);
    expect(calls, path, "listen", calls.listen(fd, BACKLOG));
    return new Listener(calls, fd, path, { events, descriptors });
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

function bindPrivately(calls: Calls, fd: number, path: string): void {
  const before = process.umask(PRIVATE_UMASK);
  try {
    expect(calls, path, "bind", calls.bindUnix(fd, path));
  } finally {
    process.umask(before);
  }
}

function expect(calls: Calls, path: string, call: string, result: number): number {
  if (result >= 0) return result;
  throw new GuardError("ERR_SOCKET_UNSAFE", `Cannot listen at '${path}': ${call} ${calls.errno()}`);
}

/** Who is told of connections, and how many descriptors a read of one may bring along. */
interface Taking {
  readonly events: UnixListenerEvents;
  readonly descriptors: number;
}

class Listener implements UnixListener {
  readonly #calls: Calls;
  readonly #fd: number;
  readonly #path: string;
  readonly #file: BigIntStats;
  readonly #events: UnixListenerEvents;
  readonly #descriptors: number;
  readonly #readiness: Readiness;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** When nobody was waiting, the last time that we looked. */
  #emptyAt = -Infinity;

  constructor(calls: Calls, fd: number, path: string, { events, descriptors }: Taking) {
    this.#calls = calls;
    this.#fd = fd;
    this.#path = path;
    this.#events = events;
    this.#descriptors = descriptors;
    this.#file = lstatSync(path, { bigint: true });
    this.#readiness = watchByThread(calls, fd, () => this.#accept(), (error) => this.#fail(error));
    this.#readiness.start();
  }

  acceptWaiting(): void {
    if (!this.#closed) this.#accept();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#readiness.close();
    this.#calls.close(this.#fd);
    this.#remove();
  }

  #accept(): void {
    for (let accepts = 0; accepts < MAX_ACCEPTS && !this.#closed; accepts++) {
      // Before the call: who connects behind our back meanwhile must not look younger than they are.
      const asked = monotonicMs();
      const fd = this.#calls.accept(this.#fd);
      if (fd >= 0) {
        this.#arrived(fd);
        continue;
      }
      const code = this.#calls.errno();
      if (code === "EAGAIN") return void (this.#emptyAt = asked);
      if (PASSING.has(code)) continue;
      if (EXHAUSTED.has(code)) this.#rest();
      return this.#events.onError(Object.assign(new Error(`accept ${code}`), { code }));
    }
  }

  #arrived(fd: number): void {
    let stream: ReturnType<typeof openSenderStream>;
    try {
      stream = openSenderStream(this.#calls, fd, true, this.#descriptors);
    } catch (error) {
      this.#calls.close(fd);
      return this.#events.onError(error as Error);
    }
    this.#events.onConnection({ fd, stream, connectedAfter: this.#emptyAt });
  }

  #rest(): void {
    this.#readiness.stop();
    this.#timer = setTimeout(() => {
      if (!this.#closed) this.#readiness.start();
    }, EXHAUSTED_MS);
  }

  #fail(error: Error): void {
    this.close();
    this.#events.onError(error);
  }

  /** Only what we made: another guard may have taken the name since. */
  #remove(): void {
    try {
      const now = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
      if (now?.ino === this.#file.ino && now.dev === this.#file.dev) unlinkSync(this.#path);
    } catch {
      // A folder that is gone or closed to us: the file, if there is one, answers nobody, and the next guard sees that.
    }
  }
}
