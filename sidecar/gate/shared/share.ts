/**
 * One session's part in a shared server: to the session it is an upstream of its own, which ends when the session lets
 * go of it, or when the server does.
 */
import { Buffer } from "node:buffer";
import type { LaunchedUpstream } from "../../upstream/launch-options.ts";
import type { MeasuredCommand, StopCause, UpstreamExit } from "../../upstream/upstream.ts";
import { errorLine } from "../refusal.ts";
import { QUEUE_HIGH, ShareInput, ShareOutput } from "./share-streams.ts";

/** Who takes part. */
export interface ShareMember {
  /** The SPIFFE ID of the session's principal; asked for when it matters, since it is complete only after a while. */
  readonly principal: () => string;
}

/** What a share needs of the server it is a part of. */
export interface ShareHost {
  /** @returns Whether the child takes more. */
  accept(share: Share, bytes: Buffer): boolean;
  /** Whether the child takes more. */
  readonly writable: boolean;
  /** The session lets go: whatever it asked is cancelled. */
  leave(share: Share, cause: StopCause): void;
}

export class Share implements LaunchedUpstream {
  readonly pid: number;
  readonly measured: Promise<MeasuredCommand>;
  readonly watched: boolean;
  readonly shared = true;
  readonly input: ShareInput;
  readonly output: ShareOutput;
  readonly exited: Promise<UpstreamExit>;
  /** Features that the peer declared in its `initialize`: what it did not declare it is not asked for. */
  features: ReadonlySet<string> = new Set();
  readonly #member: ShareMember;
  readonly #host: ShareHost;
  readonly #child: LaunchedUpstream;
  #settle: (exit: UpstreamExit) => void = () => {};
  #over = false;

  constructor(child: LaunchedUpstream, member: ShareMember, host: ShareHost) {
    this.pid = child.pid;
    this.measured = child.measured;
    this.watched = child.watched;
    this.#child = child;
    this.#member = member;
    this.#host = host;
    this.exited = new Promise((resolve) => this.#settle = resolve);
    this.output = new ShareOutput(() => this.relieve());
    this.input = new ShareInput((bytes) => this.#over || (host.accept(this, bytes) && this.#hasRoom()));
  }

  get principal(): string {
    return this.#member.principal();
  }

  /** Whether it takes part no more. */
  get over(): boolean {
    return this.#over;
  }

  unreadInput(): number | undefined {
    return this.#child.unreadInput();
  }

  /** A line for the session, newline included. */
  send(line: Buffer): void {
    this.output.push(line);
  }

  /** Answers a request of the session in the server's place; `id` as the peer spelled it. */
  answer(id: Buffer, result: string): void {
    this.send(Buffer.from(`{"jsonrpc":"2.0","id":${id.toString()},"result":${result}}\n`));
  }

  refuse(id: Buffer, code: number, sentence: string): void {
    this.send(Buffer.from(`${errorLine(id.toString(), code, sentence)}\n`));
  }

  /** More may come from the session, if both the child and what waits for the session allow it. */
  relieve(): void {
    if (this.#host.writable && this.#hasRoom()) this.input.relieve();
  }

  /** Lets go of the server, which lives on for the others. */
  stop(cause: StopCause): Promise<UpstreamExit> {
    if (!this.#over) {
      this.end({ code: undefined, signal: undefined, cause, lives: true });
      this.#host.leave(this, cause);
    }
    return this.exited;
  }

  /** The server ended, or this part of it did. */
  end(exit: UpstreamExit): void {
    if (this.#over) return;
    this.#over = true;
    this.#settle(exit);
  }

  #hasRoom(): boolean {
    return this.output.queued < QUEUE_HIGH;
  }
}
