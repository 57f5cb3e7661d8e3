/**
 * Judges what the peer sends, line by line, in the order it came.
 *
 * Trusts nothing in a line before the scanner proved it to be one message that every parser reads alike. What passes
 * is forwarded as the bytes that came; what does not is answered, recorded, and never reaches the server.
 */
import type { Buffer } from "node:buffer";
import { InexactNumber, type PolicyRequest } from "../../policy/decision.ts";
import { messageOf } from "../model/errors.ts";
import { Slot } from "../protocol/keys.ts";
import { type Era, FROM_PEER, type Method } from "../protocol/methods.ts";
import { parseValue } from "../relay/json-values.ts";
import { StrictScanner } from "../relay/strict-scanner.ts";
import type { PeerLine } from "./peer-line.ts";
import { takeOwnMeta } from "../relay/own-meta.ts";
import { type AccessActions, AccessGate, type ShownMeta } from "./access/access-gate.ts";
import { fillSecret, SERVER_TOOL } from "./access/fill-secret.ts";
import { OWN_TOOL } from "./access/own-tool.ts";
import { tellServer } from "./access/tell-server.ts";
import type { Verdict } from "./judge.ts";
import { idText, type RpcId } from "./pending.ts";
import { errorLine, flawLine, INVALID_PARAMS, RPC_CODES, toolRefusalLine, withId } from "./refusal.ts";
import type { SessionState } from "./session-state.ts";

export type { PeerLine } from "./peer-line.ts";

/** What the session does for this file: things that take longer than a line. */
export interface PeerMessageActions extends AccessActions {
  /** Whether calls can be decided now: the caller is measured. */
  readonly callerKnown: () => boolean;
  /** Parks a request until the caller is measured (`caller`) or the server's tools are listed (`tools`). */
  readonly hold: (id: RpcId, line: PeerLine, until: "caller" | "tools") => void;
  /** Forgets a parked request. @returns Whether there was one. */
  readonly release: (id: RpcId) => boolean;
  readonly isHeld: (id: RpcId) => boolean;
  /** Tells the person at the terminal one line. */
  readonly notice: (text: string) => void;
  /** The session's opening is about to be forwarded. */
  readonly opening: (id: RpcId, method: string, line: PeerLine) => void;
}

export class PeerMessages {
  readonly #state: SessionState;
  readonly #actions: PeerMessageActions;
  readonly #scanner = new StrictScanner();
  readonly #access: AccessGate;
  /** What the message at hand held under our keys. */
  #shown: ShownMeta | undefined;

  constructor(state: SessionState, actions: PeerMessageActions) {
    this.#state = state;
    this.#actions = actions;
    this.#access = new AccessGate(state, actions);
  }

  /** Judges one line and forwards, parks or answers it. */
  take(line: PeerLine): void {
    const { bytes, start, end } = line;
    if (isBlank(bytes, start, end)) return;
    const scanner = this.#scanner;
    const flaw = scanner.scan(bytes, start, end);
    if (flaw !== undefined) {
      const rpcId = scanner.answerId();
      const refusal = this.#state.recordRefusal(
        { direction: "fromPeer", method: "(malformed)", rpcId },
        "ERR_FRAME_MALFORMED",
        flaw,
      );
      return this.#state.toPeer.send(flawLine(rpcId, flaw, refusal));
    }
    this.#shown = undefined;
    this.#message(scanner.ownMeta ? this.#withoutOwnMeta(line) : line);
  }

  /** What only the guard may write is taken out before anything else looks at the message. */
  #withoutOwnMeta(line: PeerLine): PeerLine {
    const { bytes, start, end, stale } = line;
    const scanner = this.#scanner;
    const meta = { start: scanner.start(Slot.meta) - start, end: scanner.end(Slot.meta) - start };
    const own = takeOwnMeta(bytes.subarray(start, end), meta);
    if (own === undefined) return line;
    this.#shown = { token: own.token, bootstrap: own.bootstrap, original: line };
    const flaw = scanner.scan(own.line, 0, own.line.length);
    if (flaw !== undefined) throw new Error(`A line is no longer sound without our keys: ${flaw}`);
    return { bytes: own.line, start: 0, end: own.line.length, stale };
  }

  #message(line: PeerLine): void {
    const scanner = this.#scanner;
    const name = scanner.text(Slot.method);
    if (name === undefined) return this.#response(line);
    const method = FROM_PEER.get(name);
    const id = scanner.id(Slot.id);
    if (id === undefined) this.#notification(line, name, method);
    else this.#request(line, name, method, id);
  }

  /** A line grew over the limit; `rpcId` is what could be read of its id. */
  tooLong(rpcId: string): void {
    const state = this.#state;
    const refusal = state.recordRefusal(
      { direction: "fromPeer", method: "(too long)", rpcId },
      "ERR_FRAME_TOO_LARGE",
    );
    const sentence = `The message is longer than ${state.limits.peerLine} bytes`;
    state.toPeer.send(errorLine(rpcId, RPC_CODES.ERR_FRAME_TOO_LARGE, withId(sentence, refusal)));
  }

  #request(line: PeerLine, name: string, method: Method | undefined, id: RpcId): void {
    const state = this.#state;
    if (state.asked.has(id) || this.#actions.isHeld(id)) return this.#reusedId(id, name);
    if (state.over !== undefined) return state.refuseOver(id, name, state.over);
    // A client that pings by itself is not in use by anybody.
    if (name !== "ping") state.span.use(state.arrivedAt);
    if (state.asked.full) {
      return state.refuse(id, name, "ERR_TOO_MANY_PENDING", "Too many requests are pending");
    }
    if (line.stale && !HARMLESS.has(name)) return this.#unproven(id, name);
    if (this.#withheld(line, name, method, id)) return;
    const modern = this.#scanner.has(Slot.metaProtocolVersion);
    if (!isDefined(method, "request", modern)) return this.#vendorRequest(line, name, id, modern);
    const permitted = state.judge.method(name, true);
    if (!permitted.passes) return void this.#settle(permitted, name, name, id, modern);
    switch (method.duty) {
      case "open":
        this.#actions.opening(id, name, tellServer(line, this.#scanner, state.access.told));
        return this.#forward(line, name, method, id, modern);
      case "tool":
        return this.#toolCall(line, name, method, id, modern);
      case "resource":
      case "prompt":
      case "completion":
      case "listen":
        return this.#named(line, name, method, id, modern);
      default:
        return this.#forward(line, name, method, id, modern);
    }
  }

  #withheld(line: PeerLine, name: string, method: Method | undefined, id: RpcId): boolean {
    if (!this.#state.access.active) return false;
    const scanner = this.#scanner;
    const tool = name === "tools/call" ? scanner.text(Slot.name) : undefined;
    const opens = method?.duty === "open";
    if (this.#access.withholds({ id, method: name, tool, opens, line, shown: this.#shown })) return true;
    // Nothing can be added to a `_meta` that is no object: the server would be told of nobody.
    if (!this.#state.access.tells || !scanner.has(Slot.meta) || scanner.first(Slot.meta) === OBJECT) {
      return false;
    }
    this.#invalidParams(id, name);
    return true;
  }

  /** The sentence asks for what helps: the same request, sent now, is the measured process's own. */
  #unproven(id: RpcId, method: string): void {
    const sentence = "Sent before the client was verified; send it again";
    this.#state.refuse(id, method, "ERR_PEER_UNPROVEN", sentence);
  }

  /** Answered without the id: under it the peer would take the error for the answer to its first request. */
  #reusedId(id: RpcId, method: string): void {
    const subject = { direction: "fromPeer" as const, method, rpcId: idText(id) };
    const refusal = this.#state.recordRefusal(subject, "ERR_FRAME_MALFORMED", "id-reused");
    const sentence = withId("The id belongs to a request that is still pending", refusal);
    this.#state.toPeer.send(errorLine("null", RPC_CODES.ERR_FRAME_MALFORMED, sentence));
  }

  #forward(
    line: PeerLine,
    methodName: string,
    method: Method | undefined,
    id: RpcId,
    modern: boolean,
    name?: string,
    secret?: string,
  ): void {
    const state = this.#state;
    if (modern) state.modern = true;
    state.expect({
      id,
      method,
      methodName,
      name,
      modern,
      firstPage: !this.#scanner.has(Slot.cursor),
      audited: name !== undefined,
    });
    const told = tellServer(line, this.#scanner, state.access.told);
    const { bytes, start, end } = secret === undefined ? told : fillSecret(told, secret);
    state.toUpstream.forward(bytes, start, end);
  }

  #toolCall(line: PeerLine, methodName: string, method: Method, id: RpcId, modern: boolean): void {
    const state = this.#state;
    const scanner = this.#scanner;
    if (state.access.tool && scanner.text(Slot.name) === OWN_TOOL) {
      const [start, end] = [scanner.start(Slot.arguments), scanner.end(Slot.arguments)];
      return this.#access.callOwnTool(id, { bytes: line.bytes, start, end });
    }
    if (!this.#actions.callerKnown()) return this.#actions.hold(id, line, "caller");
    const tool = scanner.text(Slot.name);
    const first = scanner.first(Slot.arguments);
    if (tool === undefined || (first !== 0 && first !== OBJECT)) return this.#invalidParams(id, methodName);

    const listed = state.catalogue.find(tool);
    const policy = state.judge.policy;
    if (policy !== undefined && (listed === undefined || !state.catalogue.complete)) {
      if (state.catalogue.mayBeOutdated(state.arrivedAt)) return this.#actions.hold(id, line, "tools");
    }
    if (listed !== undefined && scanner.argumentKeys.some((key) => listed.isLookAlike(key))) {
      return state.refuse(
        id,
        methodName,
        "ERR_FRAME_MALFORMED",
        "An argument's name is too much like another one",
        "folded-key",
      );
    }
    const verdict = policy !== undefined && listed === undefined
      ? state.judge.settle({ effect: "deny", reason: "unknown-tool", rules: [] })
      : state.judge.judge({
        kind: "tool",
        name: tool,
        args: this.#arguments(line, tool, first),
        client: state.judge.client,
      });
    const argsDigest = state.audit.digestArguments(
      line.bytes.subarray(scanner.start(Slot.arguments), scanner.end(Slot.arguments)),
    );
    if (verdict.passes && !state.span.takeCall()) {
      state.over = "max-calls";
      return state.refuseOver(id, methodName, state.over);
    }
    const secret = verdict.passes && tool === SERVER_TOOL ? this.#serverSecret() : undefined;
    if (secret === null) {
      return state.refuse(id, methodName, "ERR_DENIED", "The server's secret cannot be read");
    }
    if (this.#settle(verdict, methodName, tool, id, modern, argsDigest)) {
      this.#forward(line, methodName, method, id, modern, tool, secret);
    }
  }

  /** @returns Undefined where none is shown, null where it cannot be read: the person at the terminal is told why. */
  #serverSecret(): string | null | undefined {
    try {
      return this.#state.access.serverSecret();
    } catch (error) {
      this.#actions.notice(`The server's secret cannot be read: ${messageOf(error)}`);
      return null;
    }
  }

  /** The call's arguments, parsed only where a rule for this tool reads them. */
  #arguments(line: PeerLine, tool: string, first: number): Readonly<Record<string, unknown>> | undefined {
    if (this.#state.judge.policy?.readsArguments(tool) !== true) return undefined;
    if (first === 0) return {};
    const scanner = this.#scanner;
    return parseValue(
      line.bytes,
      scanner.start(Slot.arguments),
      scanner.end(Slot.arguments),
      scanner.inexact ? (literal) => new InexactNumber(literal) : undefined,
    ) as Readonly<Record<string, unknown>>;
  }

  /** Requests that name a resource or a prompt. */
  #named(line: PeerLine, methodName: string, method: Method, id: RpcId, modern: boolean): void {
    if (!this.#actions.callerKnown()) return this.#actions.hold(id, line, "caller");
    const requests = this.#namedRequests(line, method);
    if (requests === undefined) return this.#invalidParams(id, methodName);
    for (const { request, name } of requests) {
      const verdict = this.#state.judge.judge(request);
      if (!this.#settle(verdict, methodName, name, id, modern)) return;
    }
    this.#forward(line, methodName, method, id, modern, requests[0]?.name);
  }

  #namedRequests(line: PeerLine, method: Method): { request: PolicyRequest; name: string }[] | undefined {
    const scanner = this.#scanner;
    const { client } = this.#state.judge;
    const resource = (uri: string | undefined) => uri === undefined ? undefined : [asResource(uri, client)];
    const prompt = (name: string | undefined) => name === undefined ? undefined : [asPrompt(name, client)];
    switch (method.duty) {
      case "resource":
        return resource(scanner.text(Slot.uri));
      case "prompt":
        return prompt(scanner.text(Slot.name));
      case "completion":
        // It offers values of what it completes for, so it follows the rule of that.
        if (scanner.has(Slot.refUri) === scanner.has(Slot.refName)) return undefined;
        return scanner.has(Slot.refUri)
          ? resource(scanner.text(Slot.refUri))
          : prompt(scanner.text(Slot.refName));
      default:
        return this.#listened(line);
    }
  }

  /** The resources that `subscriptions/listen` wants to hear of. */
  #listened(line: PeerLine): { request: PolicyRequest; name: string }[] | undefined {
    const scanner = this.#scanner;
    if (scanner.first(Slot.notifications) !== OBJECT) return undefined;
    const filter = parseValue(line.bytes, scanner.start(Slot.notifications), scanner.end(Slot.notifications));
    const uris = Object.hasOwn(filter as object, "resourceSubscriptions")
      ? (filter as { resourceSubscriptions: unknown }).resourceSubscriptions
      : [];
    if (!Array.isArray(uris) || !uris.every((uri): uri is string => typeof uri === "string")) {
      return undefined;
    }
    return uris.map((uri) => asResource(uri, this.#state.judge.client));
  }

  /** A method that MCP does not define: refused, unless the policy lists it under `methods.allow`. */
  #vendorRequest(line: PeerLine, name: string, id: RpcId, modern: boolean): void {
    const state = this.#state;
    const verdict = state.judge.method(name, false);
    if (!verdict.passes) return state.refuse(id, name, "ERR_METHOD_UNKNOWN", "Method not found");
    if (!this.#actions.callerKnown()) return this.#actions.hold(id, line, "caller");
    this.#settle(verdict, name, name, id, modern);
    this.#forward(line, name, undefined, id, modern, name);
  }

  /** Records the verdict; answers the request when it is refused. @returns Whether the message goes on. */
  #settle(
    verdict: Verdict,
    method: string,
    name: string,
    id: RpcId,
    modern: boolean,
    argsDigest?: string,
  ): boolean {
    const state = this.#state;
    const rpcId = idText(id);
    const subject = { direction: "fromPeer" as const, method, name, rpcId };
    if (verdict.passes) {
      state.recordVerdict(subject, verdict, argsDigest);
      return true;
    }
    const refusal = state.audit.refusalId();
    state.recordVerdict(subject, verdict, argsDigest, refusal);
    const sentence = withId(verdict.decision.message ?? "Refused by policy", refusal);
    state.toPeer.send(
      method === "tools/call"
        ? toolRefusalLine(rpcId, sentence, modern)
        : errorLine(rpcId, RPC_CODES.ERR_DENIED, sentence),
    );
    return false;
  }

  #invalidParams(id: RpcId, method: string): void {
    const rpcId = idText(id);
    const refusal = this.#state.recordRefusal(
      { direction: "fromPeer", method, rpcId },
      "ERR_FRAME_MALFORMED",
      "params",
    );
    this.#state.toPeer.send(errorLine(rpcId, INVALID_PARAMS, withId("Invalid params", refusal)));
  }

  #notification(line: PeerLine, name: string, method: Method | undefined): void {
    const state = this.#state;
    if (line.stale && !HARMLESS.has(name)) {
      state.recordRefusal({ direction: "fromPeer", method: name }, "ERR_PEER_UNPROVEN");
      return;
    }
    if (!this.#access.passes(name, this.#shown)) return;
    const modern = this.#scanner.has(Slot.metaProtocolVersion);
    if (!isDefined(method, "notification", modern)) {
      if (!state.judge.method(name, false).passes) {
        state.recordRefusal({ direction: "fromPeer", method: name }, "ERR_METHOD_UNKNOWN");
        return;
      }
    } else if (!state.judge.method(name, true).passes) {
      state.recordRefusal({ direction: "fromPeer", method: name }, "ERR_DENIED", "methods");
      return;
    } else if (method.duty === "cancel" && !this.#cancel()) return;
    state.toUpstream.forward(line.bytes, line.start, line.end);
  }

  /** @returns Whether the server has to hear of it: it does only of a request that it still works on. */
  #cancel(): boolean {
    const state = this.#state;
    const id = this.#scanner.id(Slot.requestId);
    if (id === undefined || this.#actions.release(id)) return false;
    const request = state.asked.get(id);
    if (request === undefined || request.cancelled) return false;
    state.asked.cancel(request);
    state.recordResult(request, "cancelled", 0);
    return true;
  }

  /** An answer to something the server asked: only if it did, and only once. */
  #response(line: PeerLine): void {
    const state = this.#state;
    if (!this.#access.passes(undefined, this.#shown)) return;
    const id = this.#scanner.id(Slot.id);
    if (line.stale || id === undefined || !state.takeServerRequest(id)) {
      state.recordRefusal({ direction: "fromPeer", method: "(response)" }, "ERR_FRAME_MALFORMED", "unasked");
      return;
    }
    state.toUpstream.forward(line.bytes, line.start, line.end);
  }
}

const OBJECT = 0x7b;

/** What may come from a peer that has not been proven to speak: it opens a session, and asks for nothing. */
const HARMLESS: ReadonlySet<string> = new Set([
  "initialize",
  "notifications/initialized",
  "ping",
  "server/discover",
]);

function isDefined(method: Method | undefined, kind: Method["kind"], modern: boolean): method is Method {
  if (method === undefined || method.kind !== kind) return false;
  const era: Era = modern ? "modern" : "legacy";
  return method.eras.includes(era);
}

type Client = string | undefined;

function asResource(uri: string, client: Client): { request: PolicyRequest; name: string } {
  return { request: { kind: "resource", uri, client }, name: uri };
}

function asPrompt(name: string, client: Client): { request: PolicyRequest; name: string } {
  return { request: { kind: "prompt", name, client }, name };
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = bytes[i];
    if (c !== 0x0a && c !== 0x0d && c !== 0x20 && c !== 0x09) return false;
  }
  return true;
}
