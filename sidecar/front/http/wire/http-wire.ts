/**
 * The runtime's HTTP parser over streams that we verified, with time limits of our own.
 *
 * node:http takes any duplex by its 'connection' event, on Node and on Deno. A server that never listens checks no
 * deadlines, so they are kept here; and it must look as if it listened, or Deno closes each connection after its answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { PeerLoss, SessionStream } from "../../../gate/admission/admitted-stream.ts";
import { ByteDuplex } from "./byte-duplex.ts";
import { Freshness } from "./freshness.ts";

export interface WireEvents {
  /** A request's head has come. `fresh`: as in `Freshness`. */
  request(req: IncomingMessage, res: ServerResponse, fresh: boolean): void;
  /** Bytes that are no HTTP; `code` is the parser's. The connection ends. */
  malformed(code: string): void;
  /** The peer is no longer who was admitted. */
  lost(loss: PeerLoss): void;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** From the first byte of a request to the end of its head, and from there to the end of its body. */
const HEAD_MS = 10_000;
const BODY_MS = 30_000;
/** Between two requests. */
const IDLE_MS = 65_000;

export class HttpWire {
  readonly #server: Server;
  readonly #conversations = new WeakMap<object, Conversation>();

  constructor() {
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: 0,
      requireHostHeader: false,
    });
    // A header that is left out silently could be the one that matters; their size is limited.
    this.#server.maxHeadersCount = 0;
    Object.defineProperty(this.#server, "listening", { value: true });
    this.#server.on("request", (req, res) => this.#conversations.get(req.socket)?.request(req, res));
    // Whoever reads the body asks for it.
    this.#server.on("checkContinue", (req, res) => this.#server.emit("request", req, res));
    this.#server.on("connect", (_req, socket) => void socket.destroy());
    this.#server.on("clientError", (error: Error & { code?: string }, socket) => {
      this.#conversations.get(socket)?.malformed(error.code ?? "unknown");
    });
  }

  /** Reads requests off a stream until it ends. @returns Settles when it has. */
  converse(source: SessionStream, events: WireEvents): Promise<void> {
    return new Promise((resolve) => {
      const conversation = new Conversation(source, events, resolve);
      this.#conversations.set(conversation.duplex, conversation);
      this.#server.emit("connection", conversation.duplex);
    });
  }
}

type Waits = "for-request" | "for-head" | "for-body" | "for-answer";

/** One connection: what it waits for, and for how long. */
class Conversation {
  readonly duplex: ByteDuplex;
  readonly #events: WireEvents;
  readonly #freshness = new Freshness();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waits: Waits = "for-request";
  /** Requests without an answer, should a client send several at once. */
  #open = 0;

  constructor(source: SessionStream, events: WireEvents, ended: () => void) {
    this.#events = events;
    this.duplex = new ByteDuplex(source, {
      read: (chunk, fresh) => {
        this.#freshness.read(chunk, fresh);
        if (this.#waits === "for-request") this.#wait("for-head", HEAD_MS);
      },
      lost: (loss) => events.lost(loss),
    });
    this.duplex.once("close", () => {
      clearTimeout(this.#timer);
      ended();
    });
    // A connection is made to be used.
    this.#wait("for-request", HEAD_MS);
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    const fresh = this.#freshness.request();
    this.#open++;
    this.#wait("for-body", BODY_MS);
    const whole = (): void => {
      if (this.#waits === "for-body") this.#wait("for-answer", undefined);
    };
    if (req.complete) whole();
    else req.once("end", whole);
    res.once("close", () => {
      if (--this.#open > 0) return;
      // What is left of a body nobody wanted: its rest is not read as the next request.
      if (req.complete) this.#wait("for-request", IDLE_MS);
      else this.duplex.destroy();
    });
    this.#events.request(req, res, fresh);
  }

  malformed(code: string): void {
    if (this.duplex.destroyed) return;
    clearTimeout(this.#timer);
    if (code.startsWith("HPE_")) this.#events.malformed(code);
    const status = code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
    // Behind a request that waits for its answer these words would be taken for that answer.
    if (this.#open > 0 || !this.duplex.writable) return void this.duplex.destroy();
    this.duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }

  #wait(what: Waits, ms: number | undefined): void {
    clearTimeout(this.#timer);
    this.#waits = what;
    if (ms === undefined) return;
    this.#timer = setTimeout(() => this.duplex.destroy(), ms);
    this.#timer.unref();
  }
}
