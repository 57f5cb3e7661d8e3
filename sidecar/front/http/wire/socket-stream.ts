import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { AdmittedEvents, SessionStream } from "../../../gate/admission/admitted-stream.ts";

/** A TCP socket as the stream that the HTTP parser is fed from. Nobody names the sender of its bytes. */
export class SocketStream implements SessionStream {
  readonly #socket: Socket;

  /** @param socket Accepted paused. */
  constructor(socket: Socket) {
    this.#socket = socket;
    // From the first moment: an 'error' that nobody listens to would end the process.
    socket.on("error", () => {});
  }

  start(events: AdmittedEvents): void {
    this.#socket.on("data", (chunk: Buffer) => events.data(chunk, true));
    this.#socket.on("end", () => events.end());
    this.#socket.on("close", () => events.error(new Error("closed")));
    this.#socket.on("drain", () => events.drain());
    this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.writable ? this.#socket.write(bytes) : true;
  }

  get buffered(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
