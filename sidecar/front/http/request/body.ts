/** The body of a request, within bounds of its own and of all bodies together. */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { INVALID_REQUEST, type Problem, tooMany } from "./problem.ts";

/** What of our memory bodies may take that have not all come yet. */
export class BodyBudget {
  readonly #limit: number;
  readonly #share: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  /** @param limit Of all peers together, in bytes; one of them gets a quarter. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#share = limit / 4;
  }

  take(key: string, bytes: number): boolean {
    const own = (this.#taken.get(key) ?? 0) + bytes;
    if (own > this.#share || this.#all + bytes > this.#limit) return false;
    this.#taken.set(key, own);
    this.#all += bytes;
    return true;
  }

  give(key: string, bytes: number): void {
    const own = (this.#taken.get(key) ?? 0) - bytes;
    if (own > 0) this.#taken.set(key, own);
    else this.#taken.delete(key);
    this.#all -= bytes;
  }
}

export interface BodyOptions {
  /** Longest body, in bytes. */
  readonly limit: number;
  readonly budget: BodyBudget;
  /** Whose share of the budget it takes. */
  readonly key: string;
}

/** @returns The body, or why it is not taken; undefined when the client has gone before its end. */
export async function readBody(
  req: IncomingMessage,
  { limit, budget, key }: BodyOptions,
): Promise<Buffer | Problem | undefined> {
  const tooLarge: Problem = {
    status: 413,
    code: INVALID_REQUEST,
    message: `The message is longer than ${limit} bytes`,
  };
  if (Number(req.headers["content-length"] ?? 0) > limit) return tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      if (bytes + chunk.length > limit) return tooLarge;
      if (!budget.take(key, chunk.length)) return tooMany("Too many bodies are being read");
      bytes += chunk.length;
      chunks.push(chunk);
    }
    return req.complete ? Buffer.concat(chunks) : undefined;
  } catch {
    // The connection ended: nobody waits for an answer.
    return undefined;
  } finally {
    budget.give(key, bytes);
  }
}
