/**
 * Judges what the server sends: answers go only to who asked, lists are filtered, and what it asks of the client is the
 * policy's to allow.
 *
 * The envelope must be unambiguous, since we route by it; what lies deeper is the client's to parse and passes as it is
 * unless a rule rewrites it.
 */
import type { Buffer } from "node:buffer";
import type { ServerFeature } from "../../policy/mod.ts";
import type { ResultEvent } from "../audit/audit-log.ts";
import { Slot } from "../protocol/keys.ts";
import { featureOf, FROM_UPSTREAM, type Method } from "../protocol/methods.ts";
import { decodeString } from "../relay/json-lexer.ts";
import { membersOf } from "../relay/json-members.ts";
import { parseValue } from "../relay/json-values.ts";
import { StrictScanner } from "../relay/strict-scanner.ts";
import { addOwnMeta, takeOwnMeta } from "../relay/own-meta.ts";
import { memberOf } from "./access/session-access.ts";
import { listOwnTool } from "./access/list-own-tool.ts";
import { OWN_TOOL } from "./access/own-tool.ts";
import { TOKEN_KEY } from "../protocol/own-keys.ts";
import { filterList } from "./list-filter.ts";
import { idText, type Pending, type RpcId } from "./pending.ts";
import { errorLine, RPC_CODES, withId } from "./refusal.ts";
import type { SessionState } from "./session-state.ts";

/** MCP 2025-11-25: an error that asks the client to send its user to a URL. */
const URL_ELICITATION_REQUIRED = -32042;
const QUOTE = 0x22;
/** First character of the literal `true`. */
const TRUE = 0x74;

export interface UpstreamMessageActions {
  /** An answer to a question of our own. @returns Whether it was one. */
  readonly ownAnswer: (id: RpcId, line: Buffer) => boolean;
  /** The server answered the session's opening, with this result or with an error. */
  readonly opened: (method: string, result: Readonly<Record<string, unknown>> | undefined) => void;
  /** A list of tools went by, or the server said that it changed. */
  readonly toolsChanged: () => void;
  readonly toolsListed: () => void;
  /** Something that is no message of MCP; `what` is a short code. */
  readonly noise: (what: string, bytes: number) => void;
}

export class UpstreamMessages {
  readonly #state: SessionState;
  readonly #actions: UpstreamMessageActions;
  readonly #scanner = new StrictScanner();
  /** The request whose answer is being judged. */
  #current: Pending | undefined;

  constructor(state: SessionState, actions: UpstreamMessageActions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** Judging the last line threw: if it was an answer, whoever waits for it is told that there is none. */
  abandon(): void {
    const request = this.#current;
    this.#current = undefined;
    if (request !== undefined) this.#failed(request, "The server's answer could not be judged", "unjudged");
  }

  /** A line grew over the limit. If it was an answer, whoever waits for it is told. `rpcId` is JSON text or `null`. */
  tooLong(rpcId: string): void {
    this.#answerInstead(rpcId, this.#state.tick + 1, "The server's answer is too long", "too-long");
  }

  /** @param begun The tick of the chunk in which the line began. */
  take(bytes: Buffer, start: number, end: number, begun: number): void {
    const scanner = this.#scanner;
    this.#current = undefined;
    if (end - start <= 2 && bytes.toString("latin1", start, end).trim() === "") return;
    const flaw = scanner.scanLenient(bytes, start, end);
    if (flaw !== undefined) return this.#flawed(flaw, end - start, begun);
    const name = scanner.text(Slot.method);
    if (name === undefined) return this.#answer(bytes, start, end, begun);
    const method = FROM_UPSTREAM.get(name);
    const id = scanner.id(Slot.id);
    if (id === undefined) this.#notification(bytes, start, end, name, method);
    else this.#request(bytes, start, end, name, method, id);
  }

  /** A line that no client may read. If it was meant to answer a request, that is answered in its place. */
  #flawed(flaw: string, length: number, begun: number): void {
    this.#actions.noise(flaw, length);
    if (this.#scanner.has(Slot.method)) return;
    this.#answerInstead(this.#scanner.answerId(), begun, "The server's answer is malformed", flaw);
  }

  #answerInstead(rpcId: string, begun: number, sentence: string, detail: string): void {
    const id: unknown = JSON.parse(rpcId);
    if (typeof id !== "string" && typeof id !== "number") return;
    const request = this.#state.asked.take(id, begun);
    if (request !== undefined) this.#failed(request, sentence, detail);
  }

  #answer(bytes: Buffer, start: number, end: number, begun: number): void {
    const state = this.#state;
    const scanner = this.#scanner;
    const id = scanner.id(Slot.id);
    if (id === undefined) return this.#actions.noise("answer-without-id", end - start);
    const request = state.asked.take(id, begun);
    this.#current = request;
    if (request === undefined) {
      if (!this.#actions.ownAnswer(id, bytes.subarray(start, end))) {
        this.#actions.noise("unasked-answer", end - start);
      }
      return;
    }
    if (request.methodName !== "ping") state.span.use(state.arrivedAt);
    const denied = this.#hiddenRequest(bytes);
    if (denied !== undefined) return this.#deniedFeature(request, denied);
    const { method } = request;
    const isResult = scanner.has(Slot.result);
    if (method?.duty === "open") {
      this.#actions.opened(request.methodName, isResult ? this.#parse(bytes, Slot.result) : undefined);
    }
    if (method?.duty === "open" && isResult) this.#opened(bytes, start, end);
    else if (method?.entries === undefined || !isResult) state.toPeer.forward(bytes, start, end);
    else if (!this.#list(bytes, start, end, request, method)) return;
    if (!request.cancelled) state.recordResult(request, this.#outcome(), end - start);
  }

  /** The opening's result carries the session's token; whatever the server wrote in our name goes. */
  #opened(bytes: Buffer, start: number, end: number): void {
    const { access, toPeer } = this.#state;
    const scanner = this.#scanner;
    const line = bytes.subarray(start, end);
    const result = { start: scanner.start(Slot.result) - start, end: scanner.end(Slot.result) - start };
    const meta = scanner.has(Slot.meta)
      ? { start: scanner.start(Slot.meta) - start, end: scanner.end(Slot.meta) - start }
      : undefined;
    const { token } = access;
    const rewritten = token === undefined
      ? meta && takeOwnMeta(line, meta)?.line
      : addOwnMeta(line, result, meta, memberOf(TOKEN_KEY, token));
    if (rewritten === undefined) toPeer.forward(bytes, start, end);
    else toPeer.sendBytes(rewritten);
  }

  #outcome(): ResultEvent["outcome"] {
    if (this.#scanner.has(Slot.error)) return "error";
    return this.#scanner.first(Slot.isError) === TRUE ? "tool-error" : "ok";
  }

  /** @returns false when the list cannot be read, and an error went out in its place. */
  #list(bytes: Buffer, start: number, end: number, request: Pending, method: Method): boolean {
    const state = this.#state;
    const { policy } = state.judge;
    if (method.entries === undefined || policy === undefined) {
      state.toPeer.forward(bytes, start, end);
      return true;
    }
    if (method.entries === "tools") this.#learnTools(bytes, request);
    const line = bytes.subarray(start, end);
    const at = {
      start: this.#scanner.start(Slot.result) - start,
      end: this.#scanner.end(Slot.result) - start,
    };
    const filtered = filterList(line, at, method.entries, state.judge, request.modern);
    if (filtered === undefined) {
      this.#failed(request, "The server's list cannot be read", "list");
      return false;
    }
    if (filtered.hidden.length > 0) this.#recordHidden(request, filtered.hidden);
    const judged = state.judge.enforces ? filtered.line : line;
    const shown = method.entries === "tools" ? this.#withOwnTool(judged, request) : judged;
    if (shown === line) state.toPeer.forward(bytes, start, end);
    else state.toPeer.sendBytes(shown);
    return true;
  }

  #withOwnTool(line: Buffer, request: Pending): Buffer {
    const { access, audit, id } = this.#state;
    if (!access.tool) return line;
    const listed = listOwnTool(line, request.firstPage);
    if (listed.shadowed) audit.append({ type: "notice", session: id, detail: { shadowed: OWN_TOOL } });
    return listed.line;
  }

  #learnTools(bytes: Buffer, request: Pending): void {
    const result = this.#parse(bytes, Slot.result);
    const { tools, nextCursor } = result;
    if (!Array.isArray(tools)) return;
    this.#state.catalogue.learn(tools, request.firstPage, nextCursor === undefined, this.#state.arrivedAt);
    if (nextCursor === undefined) this.#actions.toolsListed();
  }

  #parse(bytes: Buffer, slot: typeof Slot.result | typeof Slot.errorData): Readonly<Record<string, unknown>> {
    try {
      const value = parseValue(bytes, this.#scanner.start(slot), this.#scanner.end(slot));
      return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
    } catch {
      // Not JSON below the envelope: nothing is learned from it, and the client will refuse it as well.
      return {};
    }
  }

  #recordHidden(request: Pending, hidden: readonly string[]): void {
    this.#state.audit.append({
      type: "list-filtered",
      session: this.#state.id,
      detail: {
        method: request.methodName,
        rpcId: idText(request.id),
        hidden: hidden.slice(0, 64),
        count: hidden.length,
        ...(this.#state.judge.enforces ? {} : { observed: true }),
      },
    });
  }

  /** Requests hide in answers: `inputRequests` (modern) and error -32042 (2025-11-25). @returns The refused feature. */
  #hiddenRequest(bytes: Buffer): ServerFeature | "unknown" | undefined {
    const scanner = this.#scanner;
    if (scanner.has(Slot.inputRequests)) {
      const at = scanner.start(Slot.inputRequests);
      const requests = membersOf(bytes, at, scanner.end(Slot.inputRequests));
      if (requests === undefined) return "unknown";
      for (const { value } of requests) {
        const feature = this.#featureAt(bytes, value.start, value.end);
        if (feature === undefined) return "unknown";
        if (!this.#allowsFeature(feature, "inputRequests")) return feature;
      }
    }
    if (scanner.has(Slot.errorCode)) {
      const code = bytes.toString("latin1", scanner.start(Slot.errorCode), scanner.end(Slot.errorCode));
      if (Number(code) === URL_ELICITATION_REQUIRED && !this.#allowsFeature("elicitation", "error")) {
        return "elicitation";
      }
    }
    return undefined;
  }

  #featureAt(bytes: Buffer, start: number, end: number): ServerFeature | undefined {
    const methods = membersOf(bytes, start, end)?.filter((member) => member.key === "method");
    const method = methods?.[0];
    if (method === undefined || methods?.length !== 1) return undefined;
    const { start: from, end: to } = method.value;
    return bytes[from] === QUOTE ? featureOf(decodeString(bytes, from + 1, to - 1)) : undefined;
  }

  /** Decides, records, and has the record written: what the server asks is rare, and must not outrun the log. */
  #allowsFeature(feature: ServerFeature, where: string, rpcId?: string): boolean {
    const state = this.#state;
    const verdict = state.judge.judge({
      kind: "from-server",
      feature,
      client: state.judge.client,
    });
    state.recordVerdict(
      { direction: "fromUpstream", method: where, name: feature, rpcId },
      verdict,
    );
    try {
      state.audit.flush();
    } catch {
      // Reported by the log itself; what could not be recorded is not allowed.
      if (state.audit.mandatory) return false;
    }
    return verdict.passes;
  }

  #deniedFeature(request: Pending, feature: string): void {
    const refusal = this.#state.recordRefusal(
      { direction: "fromUpstream", method: request.methodName, name: feature, rpcId: idText(request.id) },
      "ERR_DENIED",
      "hidden-request",
    );
    const sentence = withId("The server asked for something that the policy does not allow", refusal);
    this.#state.toPeer.send(errorLine(idText(request.id), RPC_CODES.ERR_DENIED, sentence));
    this.#state.recordResult(request, "error", 0);
  }

  #failed(request: Pending, sentence: string, detail: string): void {
    const rpcId = idText(request.id);
    const refusal = this.#state.recordRefusal(
      { direction: "fromUpstream", method: request.methodName, rpcId },
      "ERR_UPSTREAM_MALFORMED",
      detail,
    );
    this.#state.toPeer.send(errorLine(rpcId, RPC_CODES.ERR_UPSTREAM_MALFORMED, withId(sentence, refusal)));
    this.#state.recordResult(request, "error", 0);
  }

  #request(
    bytes: Buffer,
    start: number,
    end: number,
    name: string,
    method: Method | undefined,
    id: RpcId,
  ): void {
    const state = this.#state;
    const rpcId = idText(id);
    const vendor = method === undefined || method.kind !== "request";
    // The modern era knows no requests from the server: they travel in results.
    if ((vendor && !state.judge.method(name, false).passes) || (state.modern && !vendor)) {
      const refusal = state.recordRefusal(
        { direction: "fromUpstream", method: name, rpcId },
        "ERR_METHOD_UNKNOWN",
      );
      const answer = errorLine(rpcId, RPC_CODES.ERR_METHOD_UNKNOWN, withId("Method not found", refusal));
      return state.toUpstream.send(answer);
    }
    if (state.askedByServer.has(id) || state.askedByServer.full) {
      const answer = errorLine(rpcId, RPC_CODES.ERR_TOO_MANY_PENDING, "Too many requests are pending");
      return state.toUpstream.send(answer);
    }
    if (method?.feature !== undefined && !this.#allowsFeature(method.feature, name, rpcId)) {
      return state.toUpstream.send(errorLine(rpcId, RPC_CODES.ERR_DENIED, "Refused by policy"));
    }
    state.askedByServer.add({
      id,
      method,
      methodName: name,
      name: undefined,
      modern: false,
      sentTick: state.tick,
      sentAt: state.arrivedAt,
      firstPage: false,
      audited: false,
      cancelled: false,
    });
    state.toPeer.forward(bytes, start, end);
  }

  #notification(bytes: Buffer, start: number, end: number, name: string, method: Method | undefined): void {
    const state = this.#state;
    const defined = method !== undefined && method.kind === "notification";
    if (!defined && !state.judge.method(name, false).passes) {
      state.recordRefusal({ direction: "fromUpstream", method: name }, "ERR_METHOD_UNKNOWN");
      return;
    }
    const hidden = this.#hiddenRequest(bytes);
    if (hidden !== undefined) {
      state.recordRefusal(
        { direction: "fromUpstream", method: name, name: hidden },
        "ERR_DENIED",
        "hidden-request",
      );
      return;
    }
    if (name === "notifications/tools/list_changed") this.#actions.toolsChanged();
    if (method?.duty === "updated" && !this.#mayHearOf(this.#scanner.text(Slot.uri))) return;
    if (method?.duty === "cancel") this.#cancelledByServer();
    state.toPeer.forward(bytes, start, end);
  }

  #mayHearOf(uri: string | undefined): boolean {
    return uri !== undefined && this.#judges(uri);
  }

  #judges(uri: string): boolean {
    const { judge } = this.#state;
    return judge.judge({ kind: "resource", uri, client: judge.client }).passes;
  }

  /** The server no longer waits for an answer of the peer's. */
  #cancelledByServer(): void {
    const id = this.#scanner.id(Slot.requestId);
    const request = id === undefined ? undefined : this.#state.askedByServer.get(id);
    if (request !== undefined) this.#state.askedByServer.cancel(request);
  }
}
