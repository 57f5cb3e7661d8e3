/**
 * An admitted stream in the clothes of a socket, so that the runtime's HTTP parser reads nothing but what was verified.
 */
import { Duplex } from "node:stream";
import type { PeerLoss, SessionStream } from "../../../gate/admission/admitted-stream.ts";
import { monotonicMs } from "../../../platform/monotonic.ts";

/** What was written last is given so long to be taken. */
const LAST_WORDS_MS = 2000;
const LOOK_EVERY_MS = 5;

export interface ByteDuplexEvents {
  /** Bytes came; told before the parser sees them. `fresh` as in `AdmittedEvents`. */
  read(chunk: Buffer, fresh: boolean): void;
  /** It is no longer the peer that was admitted. Nothing more is read or written. */
  lost(loss: PeerLoss): void;
}

export class ByteDuplex extends Duplex {
  readonly #source: SessionStream;
  readonly #events: ByteDuplexEvents;
  #started = false;
  #written: ((error?: Error | null) => void) | undefined;

  constructor(source: SessionStream, events: ByteDuplexEvents) {
    super({ allowHalfOpen: true });
    this.#source = source;
    this.#events = events;
    // A peer that goes in the middle of something is no error of ours; node reports what is left undone to the server.
    this.on("error", () => {});
  }

  override _read(): void {
    if (this.#started) return this.#source.resume();
    this.#started = true;
    this.#source.start({
      data: (chunk, fresh) => {
        if (this.destroyed) return;
        this.#events.read(chunk, fresh);
        if (!this.push(chunk)) this.#source.pause();
      },
      end: () => void this.push(null),
      error: () => void this.destroy(),
      drain: () => this.#drained(),
      lost: (loss) => {
        this.#events.lost(loss);
        this.destroy();
      },
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#source.write(chunk)) return done();
    this.#written = done;
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#source.end();
    const until = monotonicMs() + LAST_WORDS_MS;
    const look = (): void => {
      if (this.#source.buffered > 0 && monotonicMs() < until) return void setTimeout(look, LOOK_EVERY_MS);
      done();
      // A peer that goes on sending is not read from any more.
      this.destroy();
    };
    look();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.destroy();
    this.#drained();
    done(error);
  }

  #drained(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }
}
