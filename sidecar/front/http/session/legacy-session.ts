/**
 * A session of the legacy era (MCP 2025-03-26 to 2025-11-25, transports, Streamable HTTP): lines of the gate's session
 * find the response that they belong to.
 */
import type { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { EventLog, EventStream } from "./event-stream.ts";
import { Exchange } from "./exchange.ts";
import type { HttpPeer } from "./http-peer.ts";
import { LineChannel, type LineReceiver } from "./line-channel.ts";
import { type Outline, outlineOfServer } from "../request/outline.ts";
import { badRequest, noSession, sendProblem, tooMany } from "../request/problem.ts";

/** From here on events without data are understood (MCP 2025-11-25). */
const PRIMES_SINCE = "2025-11-25";
const STANDALONE = "s";
/** Responses that ended and could be asked for again. */
const MAX_STREAMS = 128;
/** What goes to whoever listens for what no request caused. */
const UNRELATED: ReadonlySet<string> = new Set([
  "notifications/tools/list_changed",
  "notifications/resources/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/updated",
]);
/** Errors for a whole line: the request was never one. */
const REFUSED_LINE: ReadonlySet<number> = new Set([-32700, -32600]);

/** What a session is called by; its client is told one of them. */
export interface SessionNames {
  /** In tokens and in the log. */
  readonly sid: string;
  /** Nobody can guess it. */
  readonly random: string;
  /** Undefined where the client may have no token. */
  readonly token: () => string | undefined;
}

export class LegacySession implements LineReceiver {
  readonly peer: HttpPeer;
  readonly names: SessionNames;
  readonly channel: LineChannel = new LineChannel(this);
  readonly #log = new EventLog();
  readonly #streams = new Map<string, EventStream>();
  readonly #exchanges = new Map<string, Exchange>();
  readonly #standalone: EventStream;
  readonly #onClosed: (session: LegacySession) => void;
  #id: string | undefined;
  /** The request that is being judged. */
  #current: Exchange | undefined;
  #version: string | undefined;
  #lastStream = 0;

  constructor(peer: HttpPeer, names: SessionNames, onClosed: (session: LegacySession) => void) {
    this.peer = peer;
    this.names = names;
    this.#onClosed = onClosed;
    this.#standalone = this.#newStream(STANDALONE);
  }

  /** `Mcp-Session-Id`: settled when the client is first answered, since the one-time secret may come with its opening. */
  get id(): string {
    return this.#id ??= this.names.token() ?? this.names.random;
  }

  /** Whether anybody waits for anything. */
  get busy(): boolean {
    return this.#exchanges.size > 0 || [...this.#streams.values()].some((stream) => stream.attached);
  }

  /** @param fresh The line may have effect: it was sent after the peer was measured. */
  post(line: Buffer, outline: Outline, fresh: boolean, res: ServerResponse): void {
    if (outline.kind === "request" || outline.kind === "flawed") {
      return this.#request(line, outline, fresh, res);
    }
    this.#push(line, fresh, res, (deliver) => {
      deliver();
      if (!res.destroyed) res.writeHead(202).end();
    });
  }

  /** A GET: what no request caused, or what followed an event that the client had. */
  listen(res: ServerResponse, lastEventId: string | undefined): void {
    const headers = { "mcp-session-id": this.id };
    if (lastEventId === undefined) return this.#standalone.attach(res, headers);
    const [, key = "", number = ""] = /^([a-z0-9]{1,16})\.(\d{1,15})$/.exec(lastEventId) ?? [];
    const stream = this.#streams.get(key);
    if (stream === undefined || !stream.remembers(Number(number))) {
      return sendProblem(res, badRequest("Nothing is remembered of this event"));
    }
    stream.attach(res, headers, { after: Number(number) });
  }

  /** The client wants no more of it. */
  end(): void {
    this.channel.finish();
  }

  line(line: Buffer): void {
    const it = outlineOfServer(line);
    if (it.kind === "response") return this.#answer(line, it);
    const exchange = this.#exchangeFor(it);
    if (exchange === undefined) this.#standalone.send(line);
    else exchange.message(line);
  }

  closed(): void {
    for (const exchange of this.#exchanges.values()) exchange.fail(noSession());
    this.#exchanges.clear();
    for (const stream of this.#streams.values()) stream.finish();
    this.#onClosed(this);
  }

  // ── towards the session ──────────────────────────────────────────────────────────────────────────────────────────

  #request(line: Buffer, outline: Outline, fresh: boolean, res: ServerResponse): void {
    const exchange = this.#newExchange(outline, res);
    this.#push(line, fresh, res, (deliver) => {
      this.#current = exchange;
      // An id that is in use already stays with who has it: the session refuses this one while it judges it.
      const { id } = outline;
      const own = id !== undefined && !this.#exchanges.has(id);
      if (own) this.#exchanges.set(id, exchange);
      deliver();
      this.#current = undefined;
      if (!own) exchange.fail(badRequest("Invalid request"));
    });
  }

  #push(line: Buffer, fresh: boolean, res: ServerResponse, judge: (deliver: () => void) => void): void {
    if (this.channel.push(line, fresh, judge)) return;
    sendProblem(res, this.channel.open ? tooMany("Too many messages are waiting") : noSession());
  }

  #newExchange(outline: Outline, res: ServerResponse): Exchange {
    const version = outline.method === "initialize" ? outline.protocolVersion : this.#version;
    return new Exchange({
      outline,
      res,
      openStream: () => this.#newStream(`r${++this.#lastStream}`),
      headers: () => ({ "mcp-session-id": this.id }),
      prime: (version ?? "") >= PRIMES_SINCE,
      statusOf: (code) => outline.kind === "flawed" || REFUSED_LINE.has(code) ? 400 : 200,
      wrote: (response) => this.channel.watch(response),
      // The request goes on: a client may come back for its answer, and it did not say that it wants none.
      gone: () => {},
    });
  }

  #newStream(key: string): EventStream {
    for (const [old, { finished }] of this.#streams) {
      if (this.#streams.size < MAX_STREAMS) break;
      if (finished) this.#streams.delete(old);
    }
    const wrote = (res: ServerResponse): void => this.channel.watch(res);
    const stream = new EventStream({ log: this.#log, key, wrote });
    this.#streams.set(key, stream);
    return stream;
  }

  // ── from the session ─────────────────────────────────────────────────────────────────────────────────────────────

  #answer(line: Buffer, it: Outline): void {
    // A line that is no message may name an id all the same, perhaps that of another request: the answer is its own.
    if (this.#current?.outline.kind === "flawed") return this.#current.answer(line, it.errorCode);
    const exchange = it.id === undefined ? undefined : this.#exchanges.get(it.id);
    if (exchange !== undefined) {
      this.#exchanges.delete(it.id!);
      exchange.answer(line, it.errorCode);
      if (exchange.outline.method === "initialize") this.#opened(it);
      return;
    }
    // An error without the id of its request is about the line that is being judged.
    this.#current?.answer(line, it.errorCode);
  }

  /** A session that the server does not want to begin is none. */
  #opened({ protocolVersion, errorCode }: Outline): void {
    this.#version ??= protocolVersion;
    if (errorCode === undefined || this.#version !== undefined) return;
    this.#onClosed(this);
    this.end();
  }

  /** Which request's response carries what is no answer; undefined: the stream that no request caused. */
  #exchangeFor(it: Outline): Exchange | undefined {
    const reachable = [...this.#exchanges.values()].filter((exchange) => exchange.reachable);
    if (it.method === "notifications/progress") {
      return reachable.find(({ outline }) => outline.progressToken === it.progressToken);
    }
    const listening = this.#standalone.attached;
    if (listening && (reachable.length !== 1 || UNRELATED.has(it.method ?? ""))) return undefined;
    // Several, and nobody listens beside them: the client takes it on any of them.
    return reachable.at(-1);
  }
}
