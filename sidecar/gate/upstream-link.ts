/**
 * The server's side of a session: its process, launched once or, after a deadly probe, twice. What an earlier process
 * still says is not listened to.
 */
import type { Buffer } from "node:buffer";
import { GuardError, messageOf } from "../model/errors.ts";
import { splitLines } from "./split-lines.ts";
import type { Outbox } from "../relay/outbox.ts";
import type { StopCause, Upstream, UpstreamExit } from "../upstream/upstream.ts";
import { Valve } from "./valve.ts";

export interface UpstreamLinkEvents {
  /** A chunk came. @returns Its tick. */
  begin(): number;
  line(bytes: Buffer, start: number, end: number, begun: number): void;
  /** Everything in the chunk was reported. */
  commit(): void;
  /** A line grew over the limit; `rpcId` is what could be read of its id, as JSON text. */
  tooLong(rpcId: string): void;
  /** Something that is no line for anybody. */
  noise(what: string, bytes: number): void;
  /** It runs, and what waited for it is being sent. */
  launched(upstream: Upstream): void;
  launchFailed(error: GuardError): void;
  /** It reads again, or never will. */
  drained(): void;
  /** It closed its input or output, and did not exit. */
  closed(): void;
  exited(exit: UpstreamExit): void;
}

const EXIT_FOLLOWS_MS = 500;

export class UpstreamLink {
  readonly #launch: () => Promise<Upstream>;
  readonly #outbox: Outbox;
  readonly #limit: number;
  readonly #events: UpstreamLinkEvents;
  #upstream: Upstream | undefined;
  #valve: Valve | undefined;
  #stopping: StopCause | undefined;

  /** @param outbox What goes to the server; it is kept there while no process runs. */
  constructor(launch: () => Promise<Upstream>, outbox: Outbox, limit: number, events: UpstreamLinkEvents) {
    this.#launch = launch;
    this.#outbox = outbox;
    this.#limit = limit;
    this.#events = events;
  }

  /** What pauses the server; undefined while none runs. */
  get valve(): Valve | undefined {
    return this.#valve;
  }

  unreadInput(): number | undefined {
    return this.#upstream?.unreadInput();
  }

  /** @param first Sent before anything that waits. */
  async start(first?: Buffer): Promise<void> {
    let upstream: Upstream;
    try {
      upstream = await this.#launch();
    } catch (error) {
      return this.#events.launchFailed(asGuardError(error));
    }
    this.#upstream = upstream;
    if (this.#stopping !== undefined) void upstream.stop(this.#stopping);
    this.#listen(upstream);
    if (first !== undefined) upstream.input.write(first);
    this.#outbox.attach(upstream.input);
    void upstream.exited.then((exit) => this.#exited(upstream, exit));
    this.#events.launched(upstream);
  }

  /** Ends the process that runs and starts another. */
  async restart(first: Buffer | undefined): Promise<void> {
    const previous = this.#upstream;
    this.#upstream = undefined;
    this.#outbox.attach(undefined);
    const exit = await previous?.stop("respawn");
    previous?.output.destroy();
    if (this.#stopping === undefined) await this.start(first);
    else if (exit !== undefined) this.#events.exited(exit);
  }

  /** Calling it again climbs the ladder. A process that is still being started is stopped as soon as it runs. */
  stop(cause: StopCause): void {
    this.#stopping ??= cause;
    if (this.#upstream !== undefined) void this.#upstream.stop(cause);
  }

  #listen(upstream: Upstream): void {
    const events = this.#events;
    const current = (): boolean => this.#upstream === upstream;
    const splitter = splitLines(this.#limit, events);
    // A process that exits closes its ends a moment before we hear of it. One that closes an end and lives on will
    // never answer again: it is stopped, and whoever waits is told.
    let exited = false;
    void upstream.exited.then(() => {
      exited = true;
    });
    const closed = (): void => {
      setTimeout(() => {
        if (!exited && current()) events.closed();
      }, EXIT_FOLLOWS_MS);
    };
    this.#valve = new Valve(upstream.output);
    upstream.output.start({
      data: (chunk) => {
        if (!current()) return;
        splitter.push(chunk, events.begin());
        events.commit();
      },
      end: () => {
        if (current() && splitter.finish()) events.noise("half-a-line", 0);
        closed();
      },
      error: closed,
      drain: () => {},
    });
    upstream.input.start({
      data: () => {},
      end: () => {},
      error: () => {
        // It reads no more: nobody may wait for it to.
        events.drained();
        closed();
      },
      drain: () => events.drained(),
    });
  }

  #exited(upstream: Upstream, exit: UpstreamExit): void {
    upstream.output.destroy();
    if (this.#upstream === upstream) this.#events.exited(exit);
  }
}

function asGuardError(error: unknown): GuardError {
  if (error instanceof GuardError) return error;
  return new GuardError("ERR_UPSTREAM_LAUNCH", `Cannot start the server: ${messageOf(error)}`, {
    cause: error,
  });
}
