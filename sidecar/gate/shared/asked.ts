/**
 * What a shared server was asked and has not answered: one table over all peers, under numbers of our own. A number is
 * never used twice, so that an answer that comes too late belongs to nobody.
 */
import type { Buffer } from "node:buffer";
import type { RpcId } from "../pending.ts";
import type { Share } from "./share.ts";
import type { Splice } from "./splice.ts";

/** An answer as it stands in a line of the server's. */
export interface AnswerLine {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Where its id stands. */
  readonly id: { readonly start: number; readonly end: number };
  /** Where its `result` stands; undefined for an error. */
  readonly result: { readonly start: number; readonly end: number } | undefined;
  readonly resultType: string | undefined;
}

export interface Question {
  /** Undefined for a question of our own, and once its peer no longer waits for it. */
  share: Share | undefined;
  readonly rpcId: RpcId;
  /** The id as its peer spelled it. */
  readonly id: Buffer;
  readonly method: string;
  readonly modern: boolean;
  /** Its progress token as its peer spelled it. */
  readonly token?: Buffer | undefined;
  /** Whether the answer may name a task that it began. */
  readonly task?: boolean | undefined;
  /** Told of the answer before it goes on. @returns What is changed in it beside its id. */
  readonly answered?: (answer: AnswerLine) => readonly Splice[] | "unreadable" | undefined;
  /** Its outcome counts for others too: it is waited for although its peer is gone. */
  readonly outlives?: boolean;
}

interface Asked extends Question {
  readonly tick: number;
}

export class AskedTable {
  readonly #byNumber = new Map<number, Asked>();
  readonly #numbers = new Map<Share, Map<RpcId, number>>();
  /** Progress goes on for as long as a task runs, after the request that began it was answered. */
  readonly #tokens = new Map<number, { readonly share: Share; readonly token: Buffer }>();
  #last = 0;

  /** Whether a peer waits for something that was asked before this number. */
  waitsSinceBefore(number: number): boolean {
    for (const [other, { share }] of this.#byNumber) {
      if (other >= number) return false;
      if (share !== undefined) return true;
    }
    return false;
  }

  /** Whether this peer waits for anything. */
  isWaitedFor(share: Share): boolean {
    return (this.#numbers.get(share)?.size ?? 0) > 0;
  }

  /** @param tick When it is sent: a line that began before cannot answer it. @returns Its number. */
  add(question: Question, tick: number): number {
    const number = ++this.#last;
    this.#byNumber.set(number, { ...question, tick });
    const { share, rpcId, token } = question;
    if (share === undefined) return number;
    let numbers = this.#numbers.get(share);
    if (numbers === undefined) this.#numbers.set(share, numbers = new Map());
    numbers.set(rpcId, number);
    if (token !== undefined) this.#tokens.set(number, { share, token });
    return number;
  }

  /** Removes what is answered by a line that began at `begun`; its token stays until `endProgress`. */
  take(number: RpcId, begun: number): Question | undefined {
    if (typeof number !== "number") return undefined;
    const asked = this.#byNumber.get(number);
    if (asked === undefined || asked.tick >= begun) return undefined;
    this.#byNumber.delete(number);
    this.#forgetNumber(asked);
    return asked;
  }

  /** Whether it was asked at some time: its answer may still come after it was cancelled. */
  wasAsked(number: RpcId | undefined): boolean {
    return typeof number === "number" && number > 0 && number <= this.#last;
  }

  get(number: RpcId | undefined): Question | undefined {
    return typeof number === "number" ? this.#byNumber.get(number) : undefined;
  }

  /** Whose progress a token of ours speaks of. */
  progressOf(number: RpcId | undefined): { readonly share: Share; readonly token: Buffer } | undefined {
    return typeof number === "number" ? this.#tokens.get(number) : undefined;
  }

  endProgress(number: number): void {
    this.#tokens.delete(number);
  }

  /**
   * The peer does not wait for one of its requests any more: what comes of it goes to nobody.
   *
   * @returns The number to cancel at the server; undefined when there is none, or its outcome counts for others.
   */
  cancel(share: Share, rpcId: RpcId): number | undefined {
    const number = this.#numbers.get(share)?.get(rpcId);
    const asked = number === undefined ? undefined : this.#byNumber.get(number);
    if (number === undefined || asked === undefined) return undefined;
    this.#forgetNumber(asked);
    this.#tokens.delete(number);
    if (asked.outlives === true) {
      asked.share = undefined;
      return undefined;
    }
    this.#byNumber.delete(number);
    return number;
  }

  /** The same for all that a peer asked, its tasks' progress included. @returns The numbers to cancel. */
  leave(share: Share): number[] {
    const ids = [...this.#numbers.get(share)?.keys() ?? []];
    const numbers = ids.flatMap((rpcId) => this.cancel(share, rpcId) ?? []);
    this.#numbers.delete(share);
    for (const [number, progress] of this.#tokens) {
      if (progress.share === share) this.#tokens.delete(number);
    }
    return numbers;
  }

  #forgetNumber({ share, rpcId }: Asked): void {
    if (share !== undefined) this.#numbers.get(share)?.delete(rpcId);
  }
}
