/**
 * The thread that hashes: started when the first digest is asked for, gone soon after the last.
 */
import type { Worker } from "node:worker_threads";

/**
 * Plain JavaScript in a string, so that it is the same from the bundle, from source on Node (whose worker would not
 * read TypeScript) and on Deno. It opens the descriptor again by its path, which works across threads on both runtimes.
 * Files are read by position 0 of an own description: nobody else's offset moves ours.
 */
const SOURCE = `"use strict";
const { parentPort } = require("node:worker_threads");
const { closeSync, constants, openSync, readSync } = require("node:fs");
const { createHash } = require("node:crypto");
const buffer = Buffer.allocUnsafe(1 << 18);
function digest({ path, limit }) {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    for (let length; (length = readSync(fd, buffer, 0, buffer.length, null)) > 0;) {
      bytes += length;
      if (bytes > limit) throw Object.assign(new Error("more bytes than the limit"), { code: "EFBIG" });
      hash.update(length === buffer.length ? buffer : buffer.subarray(0, length));
    }
    return { sha256: hash.digest("hex"), bytes };
  } finally {
    closeSync(fd);
  }
}
parentPort.on("message", (job) => {
  try {
    parentPort.postMessage({ id: job.id, ...digest(job) });
  } catch (error) {
    parentPort.postMessage({ id: job.id, code: String(error.code ?? "error"), message: String(error.message) });
  }
});`;

/** How long an idle thread is kept: the hops of one lineage come in a row. */
const LINGER_MS = 250;

export interface Hashed {
  readonly sha256: string;
  readonly bytes: number;
}

type Answer = { id: number } & (Hashed | { code: string; message: string });

interface Waiting {
  resolve(hashed: Hashed): void;
  reject(error: Error): void;
}

export class DigestWorker {
  #worker: Worker | undefined;
  #linger: NodeJS.Timeout | undefined;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** @throws with `code` as the kernel gave it, `EFBIG` for more than `limit` bytes, `ECANCELED` after `close`. */
  hash(path: string, limit: number): Promise<Hashed> {
    const worker = this.#worker ??= this.#start();
    clearTimeout(this.#linger);
    worker.ref();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, path, limit });
    });
  }

  close(): void {
    this.#end("ECANCELED", "Hashing was stopped");
  }

  #start(): Worker {
    // No flags and no environment: NODE_OPTIONS and a loader of the main thread have no business in here.
    // Loaded when something is hashed: mostly the digests are remembered, and a start does not wait for it.
    const threads = process.getBuiltinModule("node:worker_threads");
    const worker = new threads.Worker(SOURCE, { eval: true, env: {}, execArgv: [] });
    worker.on("message", (answer: Answer) => this.#answer(answer));
    worker.on("error", (error: Error) => {
      if (worker === this.#worker) this.#end("EIO", `The hashing thread failed: ${error.message}`);
    });
    return worker;
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("sha256" in answer) waiting?.resolve({ sha256: answer.sha256, bytes: answer.bytes });
    else waiting?.reject(Object.assign(new Error(answer.message), { code: answer.code }));
    if (this.#waiting.size > 0) return;
    // Idle: it must not keep the process alive, and its memory is given back a little later.
    this.#worker?.unref();
    this.#linger = setTimeout(() => this.#end("ECANCELED", "Hashing was stopped"), LINGER_MS);
    this.#linger.unref();
  }

  #end(code: string, message: string): void {
    clearTimeout(this.#linger);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    for (const waiting of this.#waiting.values()) waiting.reject(Object.assign(new Error(message), { code }));
    this.#waiting.clear();
  }
}
