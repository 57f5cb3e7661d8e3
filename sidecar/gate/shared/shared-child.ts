/**
 * One process of the server for several sessions: reads and writes its streams, and sees to it that no session can hold
 * up another, that one which leaves is as if it had never been, and that all hear of the process's end.
 *
 * A peer that does not read is given 8 MiB of patience; then its session ends, and only that.
 * The server cannot be paused for it: the others would wait with it.
 */
import type { Buffer } from "node:buffer";
import type { LaunchedUpstream } from "../../upstream/launch-options.ts";
import type { StopCause, UpstreamExit } from "../../upstream/upstream.ts";
import type { LineSplitter } from "../../relay/line-splitter.ts";
import { idText } from "../pending.ts";
import { RPC_CODES } from "../refusal.ts";
import { splitLines } from "../split-lines.ts";
import { FromChild } from "./from-child.ts";
import { FromPeers } from "./from-peers.ts";
import { HangWatch } from "./hang-watch.ts";
import { Share, type ShareHost, type ShareMember } from "./share.ts";
import { SharedState } from "./shared-state.ts";

/** What may wait for all of them together: then the one that has most ends. */
const MOST_QUEUED_BY_ALL = 128 * 1024 * 1024;
const NEWLINE = 0x0a;
const EXIT_FOLLOWS_MS = 500;
const PATIENCE_MS = 30_000;

export interface SharedChildOptions {
  /** Longest line of the server's, in bytes. */
  readonly longestLine: number;
  /** A line of the server's that is for nobody. */
  readonly noise: (what: string, bytes: number) => void;
  /** How long it may say nothing once it is suspected to hang. @default {30 s} */
  readonly patienceMs?: number;
}

export class SharedChild implements ShareHost {
  readonly exited: Promise<UpstreamExit>;
  readonly #child: LaunchedUpstream;
  readonly #state = new SharedState();
  readonly #fromPeers = new FromPeers(this.#state);
  readonly #fromChild: FromChild;
  readonly #hangWatch: HangWatch;
  #writable = true;
  #broken = false;
  #exit: UpstreamExit | undefined;

  constructor(child: LaunchedUpstream, options: SharedChildOptions) {
    this.#child = child;
    this.#fromChild = new FromChild(this.#state, options.noise);
    this.#hangWatch = new HangWatch(
      this.#state,
      options.patienceMs ?? PATIENCE_MS,
      () => this.#retire("server-hangs"),
    );
    this.#state.toChild.attach(child.input);
    this.#listen(options);
    this.exited = child.exited.then((exit) => this.#exited(exit));
  }

  /** Whether it takes more sessions. */
  get usable(): boolean {
    return !this.#broken;
  }

  get writable(): boolean {
    return this.#writable;
  }

  /** A part in it for one more session. */
  join(member: ShareMember): Share {
    const share = new Share(this.#child, member, this);
    if (this.#exit === undefined) this.#state.shares.add(share);
    else share.end(this.#exit);
    return share;
  }

  accept(share: Share, bytes: Buffer): boolean {
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      this.#fromPeers.take(share, bytes, start, end);
      start = end;
    }
    return this.#flush();
  }

  leave(share: Share, cause: StopCause): void {
    const state = this.#state;
    if (!state.shares.delete(share)) return;
    const waited = state.asked.isWaitedFor(share);
    const cancelled = state.asked.leave(share);
    if (cancelled.length > 0) state.doubts.note(share);
    for (const number of cancelled) {
      state.toChild.send(
        `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${number}}}`,
      );
    }
    for (const id of state.askedOfPeers.leave(share)) {
      state.refuseChild(idText(id), RPC_CODES.ERR_PEER_GONE, "The client is gone");
    }
    for (const uri of state.subscriptions.leave(share)) state.unsubscribe(uri);
    for (const taskId of state.tasks.leave(share)) {
      state.askOwn("tasks/cancel", `{"taskId":${JSON.stringify(taskId)}}`);
    }
    state.tell(state.levels.leave(share));
    if (waited) this.#hangWatch.begin();
    this.#flush();
    // It ignored an opening, and nobody else has been served by it: the next session gets a new one.
    if (cause === "respawn" && state.era === undefined) this.#retire("respawn");
  }

  /** Ends the process; a second call climbs the ladder. */
  stop(cause: StopCause): Promise<UpstreamExit> {
    this.#broken = true;
    void this.#child.stop(cause);
    return this.exited;
  }

  #listen({ longestLine, noise }: SharedChildOptions): void {
    const splitter: LineSplitter = splitLines(longestLine, {
      line: (bytes, start, end, begun) => this.#fromChild.take(bytes, start, end, begun),
      tooLong: (rpcId) => {
        noise("too-long", longestLine);
        this.#fromChild.tooLong(rpcId);
      },
    });
    this.#child.output.start({
      data: (chunk) => {
        splitter.push(chunk, ++this.#state.tick);
        this.#flush();
        this.#bound();
      },
      end: () => {
        if (splitter.finish()) noise("half-a-line", 0);
        this.#closed();
      },
      error: () => this.#closed(),
      drain: () => {},
    });
    this.#child.input.start({
      data: () => {},
      end: () => {},
      error: (error) => {
        // It reads no more: nobody may wait for it to.
        for (const share of this.#state.shares) share.input.fail(error);
        this.#closed();
      },
      drain: () => this.#drained(),
    });
  }

  #flush(): boolean {
    if (!this.#state.toChild.flush()) this.#writable = false;
    return this.#writable;
  }

  #drained(): void {
    this.#writable = true;
    for (const share of this.#state.shares) share.relieve();
  }

  /** Ends the session of whoever has left too much unread. */
  #bound(): void {
    let all = 0;
    let most: Share | undefined;
    for (const share of this.#state.shares) {
      const { queued, isPaused, isOverfull } = share.output;
      if (isOverfull) this.#drop(share);
      else if (isPaused) {
        all += queued;
        if (queued > (most?.output.queued ?? 0)) most = share;
      }
    }
    if (all > MOST_QUEUED_BY_ALL && most !== undefined) this.#drop(most);
  }

  #drop(share: Share): void {
    share.end({ code: undefined, signal: undefined, cause: "peer-slow", lives: true });
    share.output.destroy();
    this.leave(share, "peer-slow");
  }

  /** A process that exits closes its ends a moment before we hear of it; one that does not will never answer again. */
  #closed(): void {
    this.#broken = true;
    for (const share of this.#state.shares) share.output.finish();
    setTimeout(() => {
      if (this.#exit === undefined) this.#retire("server-closed");
    }, EXIT_FOLLOWS_MS);
  }

  #retire(cause: StopCause): void {
    this.#broken = true;
    void this.#child.stop(cause);
  }

  #exited(exit: UpstreamExit): UpstreamExit {
    this.#broken = true;
    this.#exit = exit;
    this.#hangWatch.close();
    this.#child.output.destroy();
    // Each session tells its own peer, request by request. Nothing is asked again of another process.
    for (const share of this.#state.shares) share.end(exit);
    this.#state.shares.clear();
    return exit;
  }
}
