import { Buffer } from "node:buffer";
import type { ByteStream, StreamEvents } from "../../sidecar/platform/platform.ts";
import type { LaunchedUpstream } from "../../sidecar/upstream/launch-options.ts";
import type { StopCause, UpstreamExit } from "../../sidecar/upstream/upstream.ts";

/** One end of a stream without a kernel. */
class FakeEnd implements ByteStream {
  readonly buffered = 0;
  readonly written: Buffer[] = [];
  /** What `write` answers. */
  takes = true;
  paused = false;
  events: StreamEvents | undefined;

  start(events: StreamEvents): void {
    this.events = events;
  }

  write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes));
    return this.takes;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {}
  destroy(): void {}
}

/** A server's process without one: a test says what it says, and sees what it was told. */
export class FakeUpstream implements LaunchedUpstream {
  readonly pid = 4242;
  readonly watched = true;
  readonly input = new FakeEnd();
  readonly output = new FakeEnd();
  readonly measured = new Promise<never>(() => {});
  readonly exited: Promise<UpstreamExit>;
  readonly stops: StopCause[] = [];
  #settle: (exit: UpstreamExit) => void = () => {};

  constructor() {
    this.exited = new Promise((resolve) => this.#settle = resolve);
  }

  unreadInput(): number {
    return 0;
  }

  stop(cause: StopCause): Promise<UpstreamExit> {
    this.stops.push(cause);
    return this.exited;
  }

  /** The lines it was told since the last call, without their newlines. */
  heard(): string[] {
    const text = Buffer.concat(this.input.written.splice(0)).toString();
    return text.split("\n").filter((line) => line !== "");
  }

  /** Says bytes as they are. */
  utter(bytes: Uint8Array | string): void {
    this.output.events?.data(Buffer.from(bytes as string), undefined);
  }

  exit(code: number): void {
    this.output.events?.end();
    this.#settle({ code, signal: undefined, cause: this.stops[0] });
  }
}
