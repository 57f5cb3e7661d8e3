/** One request of JSON-RPC over one POST: its answer as JSON, or, once anything else comes before it, as events. */
import type { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { EventStream } from "./event-stream.ts";
import type { Outline } from "../request/outline.ts";
import { type Problem, sendProblem } from "../request/problem.ts";

export interface ExchangeOptions {
  readonly outline: Outline;
  readonly res: ServerResponse;
  /** Begins its events. Called once at most. */
  readonly openStream: () => EventStream;
  /** Of its answer; asked once, when that begins. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Whether its events begin with one that has an id and no data. */
  readonly prime: boolean;
  /** Status of an answer that is the error of this code. */
  readonly statusOf: (code: number) => number;
  /** Tells of every write, for who keeps back-pressure. */
  readonly wrote: (res: ServerResponse) => void;
  /** The client has gone before its answer. */
  readonly gone: () => void;
}

/** Then the client is shown that we live: many give up on a response without a head after a while. */
const SILENT_MS = 3000;

export class Exchange {
  readonly outline: Outline;
  readonly #options: ExchangeOptions;
  readonly #silent: ReturnType<typeof setTimeout>;
  #stream: EventStream | undefined;
  #answered = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.outline = options.outline;
    this.#silent = setTimeout(() => this.#begin(), SILENT_MS);
    this.#silent.unref();
    options.res.once("close", () => {
      clearTimeout(this.#silent);
      if (!this.#answered) options.gone();
    });
  }

  /** Whether it still waits for its answer. */
  get pending(): boolean {
    return !this.#answered;
  }

  /** Whether a message would reach the client, now or when it comes back for it. */
  get reachable(): boolean {
    return !this.#answered && (this.#stream !== undefined || !this.#options.res.destroyed);
  }

  /** Something that belongs to it and comes before its answer. */
  message(line: Buffer): void {
    if (this.#answered) return;
    this.#begin()?.send(line);
  }

  /** Its answer: nothing follows. */
  answer(line: Buffer, errorCode: number | undefined): void {
    if (this.#answered) return;
    this.#answered = true;
    clearTimeout(this.#silent);
    const { res, headers, statusOf, wrote } = this.#options;
    if (this.#stream !== undefined) {
      this.#stream.send(line);
      return this.#stream.finish();
    }
    if (res.destroyed) return;
    res.writeHead(errorCode === undefined ? 200 : statusOf(errorCode), {
      "content-type": "application/json",
      "content-length": line.length,
      "cache-control": "no-store",
      ...headers(),
    });
    res.end(line);
    wrote(res);
  }

  /** There will be no answer, and nothing was sent. */
  fail(problem: Problem): void {
    if (this.#answered) return;
    this.#answered = true;
    clearTimeout(this.#silent);
    if (this.#stream !== undefined) this.#stream.finish();
    else sendProblem(this.#options.res, problem);
  }

  /** Nothing more is to be done for it. */
  drop(): void {
    this.#answered = true;
    clearTimeout(this.#silent);
    this.#stream?.finish();
  }

  #begin(): EventStream | undefined {
    const { res, openStream, headers, prime } = this.#options;
    if (this.#stream !== undefined || this.#answered || res.destroyed) return this.#stream;
    this.#stream = openStream();
    this.#stream.attach(res, headers(), { prime });
    return this.#stream;
  }
}
