/**
 * Requests that a shared server hears once, for all its peers: `initialize`, the first subscription to a resource and
 * the end of the last one, the most verbose log level. Each peer gets an answer to its own.
 *
 * Of several clients the first one to open decides what the server knows of its client: its version of MCP, its
 * capabilities and its name. A later one is told the version that is spoken, as a server does that does not speak the
 * one asked for: it goes on with that or leaves (MCP, lifecycle, version negotiation). It is never asked for what it did
 * not declare itself.
 */
import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import { membersOf } from "../../relay/json-members.ts";
import { RPC_CODES } from "../refusal.ts";
import type { AnswerLine } from "./asked.ts";
import { LogLevels } from "./log-levels.ts";
import type { More, PeerRequest } from "./peer-request.ts";
import type { Share } from "./share.ts";
import { OPENING, type SharedState } from "./shared-state.ts";
import { splice } from "./splice.ts";

export interface OnceActions {
  /** Sends a request on. */
  readonly ask: (request: PeerRequest, more: More) => void;
  /** Takes a line as if it had just come. */
  readonly again: (share: Share, line: Buffer) => void;
}

/** A subscription that waits for its turn is kept whole; an honest one is short. */
const LONGEST_WAITING = 8 * 1024;

export class OnceRequests {
  readonly #state: SharedState;
  readonly #actions: OnceActions;
  /** The server's answer to `initialize`, and where the id stands in it. */
  #opened:
    | { readonly line: Buffer; readonly id: { readonly start: number; readonly end: number } }
    | undefined;
  /** Who has asked for it: a peer that asks again before there is one waits for nothing. */
  readonly #openers = new WeakSet<Share>();
  #initialized = false;

  constructor(state: SharedState, actions: OnceActions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** @returns Whether the request is one of these, and was seen to. */
  take(request: PeerRequest): boolean {
    switch (request.method) {
      case OPENING:
        this.#initialize(request);
        return true;
      case "resources/subscribe":
        return this.#inTurn(request, (uri) => this.#subscribe(request, uri));
      case "resources/unsubscribe":
        return this.#inTurn(request, (uri) => this.#unsubscribe(request, uri));
      case "logging/setLevel":
        return this.#setLevel(request);
      default:
        return false;
    }
  }

  /** A client says that it is ready. @returns Whether the server is to hear it: of the first one only. */
  initialized(): boolean {
    if (this.#initialized || !this.#state.isLegacy) return false;
    return this.#initialized = true;
  }

  #initialize(request: PeerRequest): void {
    const { share, id, bytes, start, end, scanner } = request;
    const { turns, era } = this.#state;
    if (era === "modern") return share.refuse(id, RPC_CODES.ERR_METHOD_UNKNOWN, "Method not found");
    share.features = featuresIn(bytes, scanner.start(Slot.capabilities), scanner.end(Slot.capabilities));
    const opened = this.#opened;
    if (opened !== undefined) {
      return share.send(splice(opened.line, 0, opened.line.length, [{ ...opened.id, text: id }]));
    }
    if (turns.isTaken(OPENING) && this.#openers.has(share)) {
      return share.refuse(id, RPC_CODES.ERR_FRAME_MALFORMED, "The session is being opened already");
    }
    this.#openers.add(share);
    const line = Buffer.from(bytes.subarray(start, end));
    if (!turns.begin(OPENING, () => this.#actions.again(share, line))) return;
    this.#actions.ask(request, {
      // Another peer may be waiting for it, and it must not be cancelled (MCP, cancellation).
      outlives: true,
      answered: (answer) => {
        this.#keep(answer);
        this.#openers.delete(share);
        turns.end(OPENING);
        return undefined;
      },
    });
  }

  /** An error is nobody's but the one's who asked like that. */
  #keep({ bytes, start, end, id, result }: AnswerLine): void {
    if (result === undefined) {
      this.#initialized = false;
      return;
    }
    this.#opened = {
      line: Buffer.from(bytes.subarray(start, end)),
      id: { start: id.start - start, end: id.end - start },
    };
    this.#state.era = "legacy";
  }

  /** What depends on who hears of a resource is done one after the other. @returns false for what names none. */
  #inTurn(request: PeerRequest, act: (uri: string) => void): boolean {
    const { share, id, bytes, start, end, scanner } = request;
    const uri = scanner.text(Slot.uri);
    if (uri === undefined) return false;
    if (end - start > LONGEST_WAITING) {
      share.refuse(id, RPC_CODES.ERR_TOO_MANY_PENDING, "The resource's URI is too long");
      return true;
    }
    const line = Buffer.from(bytes.subarray(start, end));
    if (this.#state.turns.begin(uriTurn(uri), () => this.#actions.again(share, line))) act(uri);
    return true;
  }

  #subscribe(request: PeerRequest, uri: string): void {
    const { share, id } = request;
    const { subscriptions, turns } = this.#state;
    if (subscriptions.isFull(share)) {
      share.refuse(id, RPC_CODES.ERR_TOO_MANY_PENDING, "Too many subscriptions");
      return turns.end(uriTurn(uri));
    }
    if (subscriptions.isHeld(uri)) {
      subscriptions.add(share, uri);
      share.answer(id, "{}");
      return turns.end(uriTurn(uri));
    }
    this.#actions.ask(request, {
      outlives: true,
      answered: ({ result }) => {
        // Its peer may have left in the meantime: then nobody wants to hear of it.
        if (result !== undefined && !share.over) subscriptions.add(share, uri);
        else if (result !== undefined) this.#state.unsubscribe(uri);
        turns.end(uriTurn(uri));
        return undefined;
      },
    });
  }

  #unsubscribe(request: PeerRequest, uri: string): void {
    const { share, id } = request;
    const { subscriptions, turns } = this.#state;
    if (!subscriptions.remove(share, uri)) {
      share.answer(id, "{}");
      return turns.end(uriTurn(uri));
    }
    this.#actions.ask(request, {
      outlives: true,
      answered: () => {
        turns.end(uriTurn(uri));
        return undefined;
      },
    });
  }

  /** @returns false for a word that is no level: the server says so itself. */
  #setLevel(request: PeerRequest): boolean {
    const { share, id, scanner } = request;
    const { levels } = this.#state;
    const level = LogLevels.parse(scanner.text(Slot.level));
    if (level === undefined) return false;
    const told = levels.set(share, level);
    if (told === undefined) {
      share.answer(id, "{}");
      return true;
    }
    const at = { start: scanner.start(Slot.level), end: scanner.end(Slot.level) };
    this.#actions.ask(request, {
      outlives: true,
      splices: [{ ...at, text: Buffer.from(`"${told}"`) }],
      answered: ({ result }) => {
        if (result === undefined) levels.refused(share);
        return undefined;
      },
    });
    return true;
  }
}

function uriTurn(uri: string): string {
  return `uri ${uri}`;
}

/** Only those that a server may ask for are remembered: the rest may be long. */
function featuresIn(bytes: Buffer, start: number, end: number): ReadonlySet<string> {
  const declared = membersOf(bytes, start, end)?.map(({ key }) => key) ?? [];
  return new Set(["sampling", "elicitation", "roots"].filter((feature) => declared.includes(feature)));
}
