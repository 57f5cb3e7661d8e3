/** The child's stdin and stdout, with the one thing added that the child's life depends on: when they are over. */
import type { ByteStream, Platform, StreamEvents } from "../platform/platform.ts";

/**
 * Guard's end of the child's stdin.
 *
 * It remembers that it was closed: the descriptor's number may then be another file of ours, of which `unread` would
 * tell.
 */
export class ChildInput implements ByteStream {
  readonly #stream: ByteStream;
  readonly #platform: Platform;
  #fd: number | undefined;

  constructor(platform: Platform, fd: number) {
    this.#platform = platform;
    this.#fd = fd;
    this.#stream = platform.openStream(fd, "write");
  }

  unread(): number | undefined {
    return this.#fd === undefined ? undefined : this.#platform.unreadBytes(this.#fd);
  }

  start(events: StreamEvents): void {
    this.#stream.start({
      data: (chunk, sender) => events.data(chunk, sender),
      end: () => events.end(),
      drain: () => events.drain(),
      error: (error) => {
        this.#fd = undefined;
        events.error(error);
      },
    });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes);
  }

  get buffered(): number {
    return this.#stream.buffered;
  }

  end(): void {
    this.#fd = undefined;
    this.#stream.end();
  }

  destroy(): void {
    this.#fd = undefined;
    this.#stream.destroy();
  }
}

/** Guard's end of the child's stdout; `over` settles at its end, whoever reads it, and never rejects. */
export class ChildOutput implements ByteStream {
  readonly over: Promise<void>;
  readonly #stream: ByteStream;
  #settle: () => void = () => {};

  constructor(stream: ByteStream) {
    this.#stream = stream;
    this.over = new Promise((settle) => this.#settle = settle);
  }

  start(events: StreamEvents): void {
    this.#stream.start({
      data: (chunk, sender) => events.data(chunk, sender),
      drain: () => events.drain(),
      end: () => {
        events.end();
        this.destroy();
      },
      error: (error) => {
        this.#settle();
        events.error(error);
      },
    });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes);
  }

  get buffered(): number {
    return this.#stream.buffered;
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#settle();
    this.#stream.destroy();
  }
}
