/**
 * All requests that one process makes in the modern era (MCP 2026-07-28): no session for it, but one server behind us.
 *
 * Each POST is an exchange of its own. Ids and progress tokens of several of them may be equal, so the server is given
 * others. A client that closes a response has cancelled its request; the server hears so.
 */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { EventStream } from "./event-stream.ts";
import { Exchange } from "./exchange.ts";
import type { HttpPeer } from "./http-peer.ts";
import { LineChannel, type LineReceiver } from "./line-channel.ts";
import { type Outline, outlineOfServer } from "../request/outline.ts";
import { badRequest, noSession, sendProblem, tooMany } from "../request/problem.ts";
import { edit, edited, subscriptionSpans } from "./relabel.ts";

/** What a status says of the errors that are the protocol's own (transports, Streamable HTTP, sending messages). */
const STATUSES: ReadonlyMap<number, number> = new Map([
  [-32700, 400],
  [-32600, 400],
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
]);
const METHOD_NOT_FOUND = -32601;

export class ModernSession implements LineReceiver {
  readonly peer: HttpPeer;
  readonly channel: LineChannel = new LineChannel(this);
  /** By the id that the server knows, as JSON text. */
  readonly #exchanges = new Map<string, Exchange>();
  readonly #onClosed: (session: ModernSession) => void;
  #current: Exchange | undefined;
  #last = 0;
  #ending = false;

  constructor(peer: HttpPeer, onClosed: (session: ModernSession) => void) {
    this.peer = peer;
    this.#onClosed = onClosed;
  }

  get busy(): boolean {
    return this.#exchanges.size > 0;
  }

  /** @param fresh As in `LegacySession.post`. */
  post(line: Buffer, outline: Outline, fresh: boolean, res: ServerResponse): void {
    if (outline.kind === "notification") return this.#notification(line, outline, fresh, res);
    const id = `"g${++this.#last}"`;
    const exchange = this.#newExchange(id, outline, res);
    const { spans } = outline;
    const relabelled = outline.kind === "flawed"
      ? line
      : edited(line, [...edit(spans.id, id), ...edit(spans.progressToken, id)]);
    this.#push(relabelled, fresh, res, (deliver) => {
      this.#current = exchange;
      if (outline.kind !== "flawed" && !res.destroyed) this.#exchanges.set(id, exchange);
      // Who has gone before its turn is not worked for.
      if (!res.destroyed) deliver();
      this.#current = undefined;
      if (outline.kind === "flawed") exchange.fail(badRequest("Invalid request"));
    });
  }

  /** Whether requests are still taken. */
  get open(): boolean {
    return this.channel.open && !this.#ending;
  }

  end(): void {
    this.#ending = true;
    this.channel.finish();
  }

  line(line: Buffer): void {
    const it = outlineOfServer(line);
    if (it.kind === "response") return this.#answer(line, it);
    const { progressToken, requestId } = it;
    if (it.method === "notifications/progress") {
      const exchange = this.#exchanges.get(progressToken ?? "");
      return exchange?.message(edited(line, edit(it.spans.progressToken, exchange.outline.progressToken)));
    }
    if (it.method === "notifications/cancelled") return this.#ended(line, it, requestId ?? "");
    const [of] = subscriptionSpans(line, it).map(({ start, end }) => line.toString("utf8", start, end));
    const exchange = of === undefined ? this.#onlyOne() : this.#exchanges.get(of);
    // What belongs to none of several requests is nobody's: there is no stream beside them in this era.
    exchange?.message(this.#restored(line, it, exchange));
  }

  closed(): void {
    const gone = { ...noSession(), status: 502, message: "The server ended before it answered" };
    for (const exchange of this.#exchanges.values()) exchange.fail(gone);
    this.#exchanges.clear();
    this.#onClosed(this);
  }

  #notification(line: Buffer, outline: Outline, fresh: boolean, res: ServerResponse): void {
    this.#push(line, fresh, res, (deliver) => {
      // Over HTTP a request is cancelled by closing its response; the id that this names is one of another space.
      if (outline.method !== "notifications/cancelled") deliver();
      if (!res.destroyed) res.writeHead(202).end();
    });
  }

  #push(line: Buffer, fresh: boolean, res: ServerResponse, judge: (deliver: () => void) => void): void {
    if (this.channel.push(line, fresh, judge)) return;
    sendProblem(res, tooMany("Too many messages are waiting"));
  }

  #newExchange(id: string, outline: Outline, res: ServerResponse): Exchange {
    const wrote = (response: ServerResponse): void => this.channel.watch(response);
    return new Exchange({
      outline,
      res,
      openStream: () => new EventStream({ log: undefined, key: "", wrote }),
      headers: () => ({}),
      prime: false,
      statusOf: (code) => STATUSES.get(code) ?? 200,
      wrote,
      gone: () => this.#cancel(id),
    });
  }

  /** MCP 2026-07-28, cancellation: over HTTP the end of the response is the word, on stdio it is this one. */
  #cancel(id: string): void {
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined) return;
    this.#exchanges.delete(id);
    exchange.drop();
    const meta = `{"io.modelcontextprotocol/protocolVersion":${exchange.outline.claim}}`;
    const params = `{"requestId":${id},"reason":"The client closed the response","_meta":${meta}}`;
    const line = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}\n`;
    // Ours, so as fresh as can be. Where there is no room for it the server works in vain.
    this.channel.push(Buffer.from(line), true, (deliver) => deliver());
  }

  #answer(line: Buffer, it: Outline): void {
    if (this.#current?.outline.kind === "flawed") return this.#current.answer(line, it.errorCode);
    const exchange = this.#exchanges.get(it.id ?? "");
    if (exchange === undefined) return this.#current?.answer(line, it.errorCode);
    this.#exchanges.delete(it.id!);
    exchange.answer(this.#restored(line, it, exchange), it.errorCode);
    if (exchange.outline.method !== "server/discover") return;
    // A server of the other era: nothing will be asked of this one any more.
    if (it.errorCode === METHOD_NOT_FOUND && !this.busy) this.end();
  }

  /** The server closes a subscription. */
  #ended(line: Buffer, it: Outline, requestId: string): void {
    const exchange = this.#exchanges.get(requestId);
    if (exchange === undefined) return;
    exchange.message(edited(line, edit(it.spans.requestId, exchange.outline.id)));
    this.#exchanges.delete(requestId);
    exchange.drop();
  }

  /** A message with the client's own ids in it. */
  #restored(line: Buffer, it: Outline, { outline }: Exchange): Buffer {
    const subscriptions = subscriptionSpans(line, it).flatMap((span) => edit(span, outline.id));
    return edited(line, [...(it.kind === "response" ? edit(it.spans.id, outline.id) : []), ...subscriptions]);
  }

  #onlyOne(): Exchange | undefined {
    const asking = [...this.#exchanges.values()].filter(({ outline }) =>
      outline.method !== "subscriptions/listen"
    );
    return asking.length === 1 ? asking[0] : undefined;
  }
}
