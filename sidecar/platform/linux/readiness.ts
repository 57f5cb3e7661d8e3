/**
 * How we learn that a socket can be read, without anybody reading it for us.
 *
 * On Node the event loop itself watches the socket: libuv asks for a buffer before each read, and one of length zero
 * means "not now" (uv_read_start(3), UV_ENOBUFS), so it tells of the bytes and leaves them where they are. Deno reads
 * all the same, so there one thread waits for all sockets (epoll-thread.ts). No signals: O_ASYNC belongs to the open file, which
 * a parent shares with us, and would outlive us.
 */
import type { Socket } from "node:net";
import { GuardError } from "../../model/errors.ts";

/** Told while there is something to read, again and again until it has been read. */
export interface Readiness {
  /** @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when it cannot be watched. */
  start(): void;
  stop(): void;
  /** Before the descriptor is closed: its number may soon be another file. */
  close(): void;
}

/** The part of node's stream handle that is used here. It is the same in Node 20, 22 and 24, and not documented. */
interface StreamHandle {
  onread: () => void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  readonly bytesRead: number;
}

/** @returns Nothing when this runtime's sockets cannot be used so: on Deno, and on a Node that has other handles. */
export function watchByHandle(
  socket: Socket,
  readable: () => void,
  failed: (error: Error) => void,
): Readiness | undefined {
  const handle = (socket as { _handle?: Partial<StreamHandle> })._handle;
  if ("Deno" in globalThis || typeof handle?.useUserBuffer !== "function") return undefined;
  if (typeof handle.readStart !== "function" || typeof handle.readStop !== "function") return undefined;
  return new HandleReadiness(handle as StreamHandle, readable, failed);
}

class HandleReadiness implements Readiness {
  readonly #handle: StreamHandle;
  #closed = false;

  constructor(handle: StreamHandle, readable: () => void, failed: (error: Error) => void) {
    this.#handle = handle;
    handle.useUserBuffer(new Uint8Array(0));
    handle.onread = () => {
      // A runtime that read after all has taken bytes whose sender nobody will know.
      if (handle.bytesRead === 0) return readable();
      failed(
        new GuardError("ERR_PLATFORM_UNSUPPORTED", "Cannot read with senders: this runtime reads by itself"),
      );
    };
  }

  start(): void {
    const status = this.#handle.readStart();
    if (status === 0) return;
    throw new GuardError("ERR_PLATFORM_UNSUPPORTED", `Cannot watch a socket: libuv error ${status}`);
  }

  stop(): void {
    if (!this.#closed) this.#handle.readStop();
  }

  close(): void {
    this.stop();
    this.#closed = true;
  }
}
