/**
 * Two descriptors as one stream: our own standard input and output, or those that the connect shim handed over.
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
  // Fd 1 stays open until we exit, and the peer sees the end then: libraries flush it as they unload.
  return openStdio(platform, { input: INPUT, output: OUTPUT, keepsOutput: true });
}

export interface Stdio {
  readonly input: number;
  readonly output: number;
  /** Whether the output stays open at the end. */
  readonly keepsOutput: boolean;
}

/** Takes ownership of both. Nothing is read before `start`; senders are named from this call on. */
export function openStdio(platform: Platform, { input, output, keepsOutput }: Stdio): PeerStream {
  const reads = platform.openPeerStream(input, "read");
  try {
    return new StdioStream(reads, platform.openStream(output, "write"), keepsOutput);
  } catch (error) {
    reads.destroy();
    throw error;
  }
}

class StdioStream implements PeerStream {
  readonly namesSenders: boolean;
  readonly #input: PeerStream;
  readonly #output: ByteStream;
  readonly #keepsOutput: boolean;
  #failed = false;

  constructor(input: PeerStream, output: ByteStream, keepsOutput: boolean) {
    this.namesSenders = input.namesSenders;
    this.#input = input;
    this.#output = output;
    this.#keepsOutput = keepsOutput;
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

  end(): void {
    if (!this.#keepsOutput) this.#output.end();
  }

  destroy(): void {
    this.#input.destroy();
    if (!this.#keepsOutput) this.#output.destroy();
  }
}
