/**
 * The front door that is always there: our own standard input and output. Who is behind it is whoever spawned us.
 */
import type { ByteStream, PeerStream, Platform, StreamEvents } from "../platform/platform.ts";

const INPUT = 0;
const OUTPUT = 1;

/**
 * Opens fd 0 and fd 1 as one stream. Nothing is read before `start`; senders are named from this call on. Call it once.
 *
 * One socket for both directions, as inetd and some runtimes give it, is still two descriptors: each is opened by
 * itself, and closing one leaves the other.
 */
export function openOwnStdio(platform: Platform): PeerStream {
  return new OwnStdio(platform.openPeerStream(INPUT, "read"), platform.openStream(OUTPUT, "write"));
}

/** Our two standard streams as one. */
class OwnStdio implements PeerStream {
  readonly namesSenders: boolean;
  readonly #input: PeerStream;
  readonly #output: ByteStream;
  #failed = false;

  constructor(input: PeerStream, output: ByteStream) {
    this.namesSenders = input.namesSenders;
    this.#input = input;
    this.#output = output;
  }

  start(events: StreamEvents): void {
    const error = (cause: Error): void => {
      if (this.#failed) return;
      this.#failed = true;
      events.error(cause);
    };
    const drain = (): void => events.drain();
    this.#input.start({ ...events, error, drain: () => {} });
    this.#output.start({ data: () => {}, end: () => {}, error, drain });
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#output.write(bytes);
  }

  get buffered(): number {
    return this.#output.buffered;
  }

  waiting(): number | undefined {
    return this.#input.waiting();
  }

  /** The peer sees the end when we exit: fd 1 stays open until then, since libraries flush it as they unload. */
  end(): void {}

  destroy(): void {
    this.#input.destroy();
  }
}
