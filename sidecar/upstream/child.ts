import type { ByteStream, Platform } from "../platform/platform.ts";
import { ChildInput, ChildOutput } from "./child-streams.ts";
import type { LaunchedUpstream, LaunchOptions } from "./launch-options.ts";
import { ProcessGroup } from "./process-group.ts";
import type { Spawned } from "./spawn.ts";
import { type ForwardedStderr, forwardStderr } from "./stderr.ts";
import { StopLadder } from "./stop.ts";
import type { MeasuredCommand, StopCause, UpstreamExit } from "./upstream.ts";
import type { Watchdog } from "./watchdog.ts";

/** How long the last words of a process that exited are waited for: a descendant may hold its stdout for ever. */
const LAST_WORDS_MS = 1000;
const LOOK_EVERY_MS = 25;

/** A running child: the life of its process, from the moment it was seen to be the right one. */
export class Child implements LaunchedUpstream {
  readonly pid: number;
  readonly input: ByteStream;
  readonly output: ByteStream;
  readonly exited: Promise<UpstreamExit>;
  readonly watched: boolean;
  readonly measured: Promise<MeasuredCommand>;
  readonly #input: ChildInput;
  readonly #output: ChildOutput;
  readonly #stderr: ForwardedStderr | undefined;
  readonly #group: ProcessGroup;
  readonly #ladder: StopLadder;
  readonly #watchdog: Watchdog | undefined;
  #cause: StopCause | undefined;
  #reaped = false;

  /** @param measure Begins to measure; told whether the pid is still the child's. */
  constructor(
    spawned: Spawned,
    options: LaunchOptions,
    platform: Platform,
    measure: (isAlive: () => boolean) => Promise<MeasuredCommand>,
  ) {
    // First of all, and before the event loop turns: an exit that nobody listens to would be lost.
    const reaped = new Promise<UpstreamExit>((settle) => {
      spawned.process.once("exit", (code, signal) => settle(this.#reap(code, signal)));
    });
    this.pid = spawned.pid;
    this.#group = new ProcessGroup(spawned.pid);
    this.#watchdog = spawned.watchdog;
    this.watched = this.#watchdog !== undefined;
    this.input = this.#input = new ChildInput(platform, spawned.input);
    this.output = this.#output = new ChildOutput(platform.openStream(spawned.output, "read"));
    const { prefix } = options.stderr;
    if (spawned.stderr !== undefined) this.#stderr = forwardStderr(platform, spawned.stderr, prefix ?? "");
    this.#ladder = new StopLadder({
      endInput: () => this.#input.end(),
      signal: (signal) => this.#group.signal(signal),
    }, options.stopGraceMs);
    this.exited = this.#settle(reaped);
    this.measured = measure(() => !this.#reaped);
  }

  unreadInput(): number | undefined {
    return this.#input.unread();
  }

  stop(cause: StopCause): Promise<UpstreamExit> {
    if (!this.#reaped) this.#cause ??= cause;
    this.#ladder.climb();
    return this.exited;
  }

  #reap(code: number | null, signal: string | null): UpstreamExit {
    this.#reaped = true;
    this.#group.markLeaderReaped();
    return { code: code ?? undefined, signal: signal ?? undefined, cause: this.#cause };
  }

  async #settle(reaped: Promise<UpstreamExit>): Promise<UpstreamExit> {
    const exit = await reaped;
    await this.#clearGroup();
    this.#input.destroy();
    await within(LAST_WORDS_MS, Promise.all([this.#output.over, this.#stderr?.over]));
    this.#stderr?.close();
    await this.#watchdog?.dismiss();
    return exit;
  }

  /** What the leader left behind in its group goes the same way: asked by SIGTERM, then not asked. */
  async #clearGroup(): Promise<void> {
    if (!this.#group.isEmpty()) this.#ladder.climbToTerm();
    while (!this.#group.isEmpty() && !this.#ladder.isAtTop()) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    this.#ladder.leave();
  }
}

function within(ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
