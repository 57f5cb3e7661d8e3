/**
 * Requests that wait for an answer. An answer that belongs to none of them never reaches anybody, and each request is
 * answered at most once.
 */
import type { Method } from "../protocol/methods.ts";

/** A JSON-RPC id: `1` and `"1"` are two different ones, here as on the wire. */
export type RpcId = string | number;

export interface Pending {
  readonly id: RpcId;
  /** Undefined for a vendor's method. */
  readonly method: Method | undefined;
  readonly methodName: string;
  /** The tool, prompt or resource, where the method names one. */
  readonly name: string | undefined;
  readonly modern: boolean;
  /** When it was sent on: a line that began before that cannot be its answer. */
  readonly sentTick: number;
  readonly sentAt: number;
  /** A list request without a cursor: the answer is the list's first page. */
  readonly firstPage: boolean;
  /** Whether a result record is owed. */
  readonly audited: boolean;
  cancelled: boolean;
}

/** Answered late or never: cancelled requests are remembered only so far. */
const CANCELLED_KEPT = 256;

export class PendingTable {
  readonly #limit: number;
  readonly #byId = new Map<RpcId, Pending>();
  readonly #cancelled: RpcId[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#byId.size;
  }

  get full(): boolean {
    return this.#byId.size - this.#cancelled.length >= this.#limit;
  }

  /** Whether anything is owed an answer, save by requests that stay open for as long as somebody listens. */
  get working(): boolean {
    for (const { cancelled, method } of this.#byId.values()) {
      if (!cancelled && method?.duty !== "listen") return true;
    }
    return false;
  }

  has(id: RpcId): boolean {
    return this.#byId.has(id);
  }

  get(id: RpcId): Pending | undefined {
    return this.#byId.get(id);
  }

  add(request: Pending): void {
    this.#byId.set(request.id, request);
  }

  /** Removes a request that is being answered by a line that began at `begun`. */
  take(id: RpcId, begun: number): Pending | undefined {
    const request = this.#byId.get(id);
    if (request === undefined || request.sentTick >= begun) return undefined;
    this.#byId.delete(id);
    if (request.cancelled) this.#cancelled.splice(this.#cancelled.indexOf(id), 1);
    return request;
  }

  remove(id: RpcId): void {
    if (this.#byId.get(id)?.cancelled === true) this.#cancelled.splice(this.#cancelled.indexOf(id), 1);
    this.#byId.delete(id);
  }

  /** An answer is no longer owed, and may still come: the oldest such request is forgotten when there are many. */
  cancel(request: Pending): void {
    if (request.cancelled) return;
    request.cancelled = true;
    this.#cancelled.push(request.id);
    if (this.#cancelled.length > CANCELLED_KEPT) this.#byId.delete(this.#cancelled.shift() as RpcId);
  }

  /**
   * Empties the table, save for the requests of one method.
   *
   * @returns What was still owed an answer.
   */
  drain(kept?: string): Pending[] {
    const owed: Pending[] = [];
    for (const request of this.#byId.values()) {
      if (request.methodName === kept) continue;
      if (!request.cancelled) owed.push(request);
      this.remove(request.id);
    }
    return owed;
  }
}

/** An id as JSON text. */
export function idText(id: RpcId): string {
  return typeof id === "string" ? JSON.stringify(id) : String(id);
}
