/**
 * Takes what a shared server says, line by line, and gives each to whom it is for: an answer to who asked, under the id
 * that was asked with; progress to whose request it speaks of; what concerns everybody to all. What can be meant for
 * several goes to nobody, since it may hold what another peer said.
 *
 * The envelope must be unambiguous, since we route by it. What a line says is judged by the session that it goes to.
 */
import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import { FROM_UPSTREAM } from "../../protocol/methods.ts";
import { membersOf } from "../../relay/json-members.ts";
import { StrictScanner } from "../../relay/strict-scanner.ts";
import type { RpcId } from "../pending.ts";
import { RPC_CODES } from "../refusal.ts";
import type { AnswerLine, Question } from "./asked.ts";
import { listenerOf, numberAt, tokenOf } from "./child-meta.ts";
import type { Share } from "./share.ts";
import type { SharedState } from "./shared-state.ts";
import { type Splice, splice } from "./splice.ts";
import { relatedTask, taskIdIn, valueOf } from "./task-answers.ts";

/** Something that is for nobody; `what` is a short code. */
export type Noise = (what: string, bytes: number) => void;

interface Line {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export class FromChild {
  readonly #state: SharedState;
  readonly #noise: Noise;
  readonly #scanner = new StrictScanner();

  constructor(state: SharedState, noise: Noise) {
    this.#state = state;
    this.#noise = noise;
  }

  /** @param begun The tick of the chunk in which the line began. */
  take(bytes: Buffer, start: number, end: number, begun: number): void {
    const scanner = this.#scanner;
    if (end - start <= 2 && bytes.toString("latin1", start, end).trim() === "") return;
    const line = { bytes, start, end };
    const flaw = scanner.scanLenient(bytes, start, end);
    if (flaw !== undefined) {
      this.#noise(flaw, end - start);
      if (!scanner.has(Slot.method)) {
        this.#refuse(scanner.answerId(), begun, "The server's answer is malformed");
      }
      return;
    }
    const id = scanner.id(Slot.id);
    const method = scanner.text(Slot.method);
    if (method === undefined) this.#answer(line, id, begun);
    else if (id === undefined) this.#notification(line, method);
    else this.#request(line, id, method);
  }

  /** A line grew over the limit; `id` is what could be read of its id, as JSON text. */
  tooLong(id: string): void {
    this.#refuse(id, this.#state.tick + 1, "The server's answer is too long");
  }

  /** Whoever waits for what cannot be used is told. */
  #refuse(id: string, begun: number, sentence: string): void {
    const number: unknown = JSON.parse(id);
    if (typeof number !== "number") return;
    const question = this.#state.asked.take(number, begun);
    if (question === undefined) return;
    this.#state.asked.endProgress(number);
    question.answered?.({ ...NO_ANSWER });
    question.share?.refuse(question.id, RPC_CODES.ERR_UPSTREAM_MALFORMED, sentence);
  }

  // ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #answer(line: Line, number: RpcId | undefined, begun: number): void {
    const question = number === undefined ? undefined : this.#state.asked.take(number, begun);
    if (question === undefined) {
      const late = this.#state.asked.wasAsked(number);
      return this.#noise(late ? "late-answer" : "unasked-answer", line.end - line.start);
    }
    const scanner = this.#scanner;
    const at = { start: scanner.start(Slot.id), end: scanner.end(Slot.id) };
    const answer: AnswerLine = {
      ...line,
      id: at,
      result: scanner.has(Slot.result)
        ? { start: scanner.start(Slot.result), end: scanner.end(Slot.result) }
        : undefined,
      resultType: scanner.text(Slot.resultType),
    };
    this.#learn(question, answer, number as number);
    const { share, id } = question;
    const changes = question.answered?.(answer) ?? this.#listenEnd(question, answer);
    if (changes === "unreadable") {
      return share?.refuse(id, RPC_CODES.ERR_UPSTREAM_MALFORMED, "The server's list cannot be read");
    }
    share?.send(splice(line.bytes, line.start, line.end, [{ ...at, text: id }, ...changes]));
  }

  /** The result that ends a `subscriptions/listen` says its id once more. */
  #listenEnd({ method, id }: Question, { bytes, result }: AnswerLine): readonly Splice[] {
    if (method !== "subscriptions/listen" || result === undefined) return [];
    const meta = valueOf(membersOf(bytes, result.start, result.end), "_meta");
    const listener = meta === undefined ? undefined : listenerOf(bytes, meta);
    return listener === undefined ? [] : [{ ...listener.at, text: id }];
  }

  #learn({ share, modern, task }: Question, answer: AnswerLine, number: number): void {
    const state = this.#state;
    // An impatient client may have begun to open it in the other era in the meantime.
    if (modern && answer.result !== undefined && !state.isLegacy) state.era = "modern";
    const begins = share !== undefined && (task === true || answer.resultType === "task");
    const ended = begins ? state.tasks.begin(taskIdIn(answer), share, modern, number) : number;
    if (ended !== undefined) state.asked.endProgress(ended);
  }

  // ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #request({ bytes, start, end }: Line, id: RpcId, method: string): void {
    const state = this.#state;
    const scanner = this.#scanner;
    const text = bytes.toString("utf8", scanner.start(Slot.id), scanner.end(Slot.id));
    if (method === "ping" && state.era !== "modern") {
      return state.toChild.send(`{"jsonrpc":"2.0","id":${text},"result":{}}`);
    }
    const share = state.era === "modern" ? undefined : this.#whoIsAsked(bytes, method);
    if (share === undefined) {
      this.#noise("request-for-nobody", end - start);
      return state.refuseChild(text, RPC_CODES.ERR_METHOD_UNKNOWN, "Method not found");
    }
    const token = tokenOf(bytes, this.#meta());
    if (!state.askedOfPeers.add(id, { share, token })) {
      return state.refuseChild(text, RPC_CODES.ERR_TOO_MANY_PENDING, "Too many requests are pending");
    }
    share.send(Buffer.from(bytes.subarray(start, end)));
  }

  /**
   * A request says whom it is for only by the task that it belongs to. Else it is for the one session that there is;
   * with several, one call that happens to be pending proves nothing: servers ask late, and of their own accord.
   */
  #whoIsAsked(bytes: Buffer, method: string): Share | undefined {
    const state = this.#state;
    const taskId = this.#scanner.has(Slot.meta) ? relatedTask(bytes, this.#meta()) : undefined;
    const share = taskId === undefined ? state.onlyShare() : state.tasks.shareOf(taskId);
    const feature = FROM_UPSTREAM.get(method)?.feature;
    return feature === undefined || share?.features.has(feature) ? share : undefined;
  }

  #meta(): { readonly start: number; readonly end: number } {
    return { start: this.#scanner.start(Slot.meta), end: this.#scanner.end(Slot.meta) };
  }

  // ── notifications ────────────────────────────────────────────────────────────────────────────────────────────────

  #notification(line: Line, method: string): void {
    const scanner = this.#scanner;
    const state = this.#state;
    if (state.era === "modern" && scanner.has(Slot.meta)) {
      const listener = listenerOf(line.bytes, this.#meta());
      if (listener !== undefined) return this.#toListener(line, listener);
    }
    switch (method) {
      case "notifications/progress":
        return this.#progress(line);
      case "notifications/cancelled":
        return this.#cancelled(line);
      case "notifications/tools/list_changed":
      case "notifications/prompts/list_changed":
      case "notifications/resources/list_changed":
        // In the modern era only who listens hears of it.
        return this.#send(line, state.era === "modern" ? [] : state.shares);
      case "notifications/resources/updated":
        return this.#send(line, state.subscriptions.hearers(scanner.text(Slot.uri) ?? ""));
      case "notifications/message":
        return this.#message(line);
      case "notifications/tasks/status":
      case "notifications/tasks":
        return this.#task(line);
      default:
        return this.#toOnly(line);
    }
  }

  #send({ bytes, start, end }: Line, shares: Iterable<Share>): void {
    let copy: Buffer | undefined;
    for (const share of shares) share.send(copy ??= Buffer.from(bytes.subarray(start, end)));
  }

  #toOnly(line: Line): void {
    const share = this.#state.onlyShare();
    if (share === undefined) this.#noise("for-nobody", line.end - line.start);
    else this.#send(line, [share]);
  }

  #sendChanged({ bytes, start, end }: Line, share: Share, change: Splice): void {
    share.send(splice(bytes, start, end, [change]));
  }

  #progress(line: Line): void {
    const scanner = this.#scanner;
    const at = { start: scanner.start(Slot.progressToken), end: scanner.end(Slot.progressToken) };
    const progress = this.#state.asked.progressOf(numberAt(line.bytes, at));
    if (progress === undefined) return this.#noise("progress-of-nothing", line.end - line.start);
    this.#sendChanged(line, progress.share, { ...at, text: progress.token });
  }

  /** What belongs to a `subscriptions/listen` of one peer. */
  #toListener(
    line: Line,
    { at, number }: { readonly at: Omit<Splice, "text">; readonly number: number },
  ): void {
    const question = this.#state.asked.get(number);
    const { share } = question ?? {};
    if (question?.method !== "subscriptions/listen" || share === undefined) return;
    this.#sendChanged(line, share, { ...at, text: question.id });
  }

  /** Legacy: the server does not wait for an answer any more. Modern: it ends a `subscriptions/listen`. */
  #cancelled(line: Line): void {
    const state = this.#state;
    const requestId = this.#scanner.id(Slot.requestId);
    if (requestId === undefined) return;
    if (state.era !== "modern") {
      const asked = state.askedOfPeers.withdraw(requestId);
      return this.#send(line, asked === undefined ? [] : [asked]);
    }
    const question = state.asked.get(requestId);
    if (question?.share === undefined || question.method !== "subscriptions/listen") {
      return this.#send(line, []);
    }
    const at = { start: this.#scanner.start(Slot.requestId), end: this.#scanner.end(Slot.requestId) };
    this.#sendChanged(line, question.share, { ...at, text: question.id });
    state.asked.cancel(question.share, question.rpcId);
  }

  /** In the modern era it belongs to a request, and does not say to which. */
  #message(line: Line): void {
    const { era, levels, shares } = this.#state;
    if (era === "modern") return this.#toOnly(line);
    const level = this.#scanner.text(Slot.level);
    this.#send(line, [...shares].filter((share) => levels.hears(share, level)));
  }

  #task(line: Line): void {
    const taskId = this.#scanner.text(Slot.taskId);
    const { tasks, shares } = this.#state;
    this.#send(line, [...shares].filter((share) => tasks.owns(share, taskId)));
  }
}

const NOTHING = { start: 0, end: 0 };
/** What is told of an answer that nobody can read: that it was no result. */
const NO_ANSWER: AnswerLine = {
  bytes: Buffer.alloc(0),
  ...NOTHING,
  id: NOTHING,
  result: undefined,
  resultType: undefined,
};
