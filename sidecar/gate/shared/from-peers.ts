/**
 * Takes what the sessions of a shared server forward to it, line by line, and sends it on under ids and progress tokens
 * of our own. What must not reach the server twice, or speaks of what is somebody else's, is answered here.
 *
 * Trusts that each line was judged by its session: it is one unambiguous message that the policy allows.
 */
import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import { StrictScanner } from "../../relay/strict-scanner.ts";
import { INVALID_PARAMS, RPC_CODES } from "../refusal.ts";
import { OnceRequests } from "./once-requests.ts";
import { hasFairToken, type More, type PeerRequest, valueAt } from "./peer-request.ts";
import type { Share } from "./share.ts";
import type { SharedState } from "./shared-state.ts";
import { splice } from "./splice.ts";
import { keepOwnTasks, listenedTasks } from "./task-answers.ts";

export class FromPeers {
  readonly #state: SharedState;
  readonly #scanner = new StrictScanner();
  readonly #once: OnceRequests;

  constructor(state: SharedState) {
    this.#state = state;
    this.#once = new OnceRequests(state, {
      ask: (request, more) => this.#ask(request, more),
      again: (share, line) => this.take(share, line, 0, line.length),
    });
  }

  take(share: Share, bytes: Buffer, start: number, end: number): void {
    const scanner = this.#scanner;
    // The session has refused what is flawed: nothing of it may come through here by another way.
    if (share.over || scanner.scan(bytes, start, end) !== undefined) return;
    const method = scanner.text(Slot.method);
    const rpcId = scanner.id(Slot.id);
    if (method === undefined) {
      if (rpcId !== undefined && this.#state.askedOfPeers.take(share, rpcId)) {
        this.#forward(bytes, start, end);
      }
    } else if (rpcId === undefined) this.#notification(share, bytes, start, end, method);
    else {
      const id = valueAt(bytes, scanner, Slot.id);
      const modern = scanner.has(Slot.metaProtocolVersion) || method === "server/discover";
      this.#request({ share, bytes, start, end, method, rpcId, id, modern, scanner });
    }
  }

  #forward(bytes: Buffer, start: number, end: number): void {
    this.#state.toChild.forward(bytes, start, end);
  }

  #request(request: PeerRequest): void {
    const { share, id, method, modern, scanner } = request;
    if (!hasFairToken(scanner)) {
      return share.refuse(id, INVALID_PARAMS, "A progress token must be a short string or a number");
    }
    // One process speaks one era for life. A client that speaks both then opens in the other one.
    if (modern && this.#state.isLegacy) {
      return share.refuse(id, RPC_CODES.ERR_METHOD_UNKNOWN, "Method not found");
    }
    if (this.#once.take(request)) return;
    switch (method) {
      case "tasks/list":
        return this.#ask(request, { answered: (answer) => keepOwnTasks(answer, share, this.#state.tasks) });
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
      case "tasks/update":
        if (this.#state.tasks.owns(share, scanner.text(Slot.taskId))) return this.#ask(request);
        return share.refuse(id, INVALID_PARAMS, "Task not found");
      case "subscriptions/listen":
        if (this.#ownsAll(share, listenedTasks(request.bytes, scanner))) return this.#ask(request);
        return share.refuse(id, INVALID_PARAMS, "Task not found");
      default:
        return this.#ask(request);
    }
  }

  #ownsAll(share: Share, taskIds: readonly string[] | undefined): boolean {
    return taskIds?.every((taskId) => this.#state.tasks.owns(share, taskId)) ?? false;
  }

  /** Sends a request on, its id and its progress token replaced by a number of ours. */
  #ask(request: PeerRequest, { splices = [], ...more }: More = {}): void {
    const { share, bytes, start, end, method, rpcId, id, modern, scanner } = request;
    const state = this.#state;
    const token = scanner.has(Slot.metaProgressToken)
      ? valueAt(bytes, scanner, Slot.metaProgressToken)
      : undefined;
    const task = scanner.has(Slot.task);
    const number = state.asked.add({ share, rpcId, id, method, modern, token, task, ...more }, state.tick);
    const text = Buffer.from(String(number));
    const numbers = [Slot.id, ...(token === undefined ? [] : [Slot.metaProgressToken])].map((slot) => ({
      start: scanner.start(slot),
      end: scanner.end(slot),
      text,
    }));
    state.toChild.sendBytes(splice(bytes, start, end, [...numbers, ...splices]));
  }

  #notification(share: Share, bytes: Buffer, start: number, end: number, method: string): void {
    switch (method) {
      case "notifications/initialized":
        return this.#once.initialized() ? this.#forward(bytes, start, end) : undefined;
      case "notifications/cancelled":
        return this.#cancelled(share, bytes, start, end);
      case "notifications/progress": {
        const token = valueAt(bytes, this.#scanner, Slot.progressToken).toString();
        return this.#state.askedOfPeers.hasToken(share, token) ? this.#forward(bytes, start, end) : undefined;
      }
      case "notifications/roots/list_changed":
      case "notifications/tasks/status":
        // They speak of what one client has: the server would take it for everybody's.
        return this.#state.onlyShare() === share ? this.#forward(bytes, start, end) : undefined;
      default:
        return this.#forward(bytes, start, end);
    }
  }

  #cancelled(share: Share, bytes: Buffer, start: number, end: number): void {
    const scanner = this.#scanner;
    const rpcId = scanner.id(Slot.requestId);
    const number = rpcId === undefined ? undefined : this.#state.asked.cancel(share, rpcId);
    if (number === undefined) return;
    this.#state.doubts.note(share);
    const at = { start: scanner.start(Slot.requestId), end: scanner.end(Slot.requestId) };
    const text = Buffer.from(String(number));
    this.#state.toChild.sendBytes(splice(bytes, start, end, [{ ...at, text }]));
  }
}
