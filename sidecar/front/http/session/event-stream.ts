/**
 * Messages as server-sent events: one HTTP response of them, and in the legacy era what follows it when its connection
 * broke (MCP 2025-11-25, transports, resumability).
 */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";

/** Keeps what was sent, so that a client may ask for it again. Bounded for a whole session: the oldest goes first. */
export class EventLog {
  readonly #events: { readonly stream: EventStream; readonly bytes: number }[] = [];
  #bytes = 0;

  added(stream: EventStream, bytes: number): void {
    this.#events.push({ stream, bytes });
    this.#bytes += bytes;
    while (this.#events.length > MAX_EVENTS || this.#bytes > MAX_BYTES) {
      const oldest = this.#events.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
      oldest.stream.forgetOldest();
    }
  }
}

const MAX_EVENTS = 512;
const MAX_BYTES = 4 * 1024 * 1024;
/** A comment now and then: proxies and clients give up on a stream that is silent. */
const KEEP_ALIVE_MS = 15_000;
const COMMENT = Buffer.from(": keep-alive\n\n");

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  // For nginx and its like, which hold back what they could gather.
  "x-accel-buffering": "no",
} as const;

export interface EventStreamOptions {
  /** Where events are kept; undefined where nothing can be resumed. */
  readonly log: EventLog | undefined;
  /** First part of each event's id. */
  readonly key: string;
  /** Tells of every write, for who keeps back-pressure. */
  readonly wrote: (res: ServerResponse) => void;
}

interface KeptEvent {
  readonly number: number;
  readonly bytes: Buffer;
}

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #kept: KeptEvent[] = [];
  #number = 0;
  /** Number of the last event that a response was given. */
  #given = 0;
  #res: ServerResponse | undefined;
  #finished = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** Whether a response carries it at the moment. */
  get attached(): boolean {
    return this.#res !== undefined;
  }

  /** Whether its last event was sent. */
  get finished(): boolean {
    return this.#finished;
  }

  /**
   * Lets a response carry it from here on; one that did before is ended. What is kept and newer than `after`, or
   * was given to no response yet, comes first.
   *
   * @param prime Sends an event without data at once, which gives the client an id to come back with.
   */
  attach(
    res: ServerResponse,
    headers: Readonly<Record<string, string>>,
    { after, prime = false }: { readonly after?: number; readonly prime?: boolean } = {},
  ): void {
    this.#res?.end();
    this.#res = res;
    res.writeHead(200, { ...HEADERS, ...headers });
    res.once("close", () => {
      if (this.#res === res) this.#detach();
    });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#write(COMMENT), KEEP_ALIVE_MS);
    this.#timer.unref();
    if (prime) this.#write(Buffer.from(`id: ${this.#options.key}.${this.#number}\ndata: \n\n`));
    const from = after ?? this.#given;
    for (const { number, bytes } of this.#kept) if (number > from) this.#write(bytes);
    this.#given = this.#number;
    // Headers and all: a client waits for them before it says that the stream is open.
    if (res.writableLength === 0) res.flushHeaders();
    if (this.#finished) this.#end();
  }

  /** @param line A message, without its newline. */
  send(line: Buffer): void {
    if (this.#finished) return;
    const { log, key } = this.#options;
    const number = ++this.#number;
    const bytes = eventOf(line, log === undefined ? undefined : `${key}.${number}`);
    if (log !== undefined) {
      this.#kept.push({ number, bytes });
      log.added(this, bytes.length);
    }
    if (this.#res !== undefined) this.#given = number;
    this.#write(bytes);
  }

  /** No more will be sent. */
  finish(): void {
    this.#finished = true;
    this.#end();
  }

  forgetOldest(): void {
    this.#kept.shift();
  }

  /** Whether it has what came after an event of this number. */
  remembers(after: number): boolean {
    const oldest = this.#kept[0]?.number ?? this.#number + 1;
    return after <= this.#number && oldest <= after + 1;
  }

  #write(bytes: Buffer): void {
    const res = this.#res;
    if (res === undefined) return;
    res.write(bytes);
    this.#options.wrote(res);
  }

  #end(): void {
    const res = this.#res;
    this.#detach();
    res?.end();
    if (res !== undefined) this.#options.wrote(res);
  }

  #detach(): void {
    this.#res = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const LF = 0x0a;
const CR = 0x0d;
const DATA = Buffer.from("data: ");
const NEXT = Buffer.from("\n");

/**
 * A message as one event. A carriage return ends a line of an event as well (WHATWG HTML, 9.2.5): a server that writes
 * one into its JSON would otherwise begin a field, or an event, of its own making.
 */
export function eventOf(line: Buffer, id: string | undefined): Buffer {
  const head = Buffer.from(id === undefined ? "event: message\n" : `event: message\nid: ${id}\n`);
  const parts: Buffer[] = [head];
  let start = 0;
  for (let i = line.indexOf(CR); i >= 0; i = line.indexOf(CR, start)) {
    parts.push(DATA, line.subarray(start, i), NEXT);
    start = i + 1;
  }
  if (line.indexOf(LF) >= 0) throw new TypeError("A message holds a line feed");
  parts.push(DATA, line.subarray(start), NEXT, NEXT);
  return Buffer.concat(parts);
}
