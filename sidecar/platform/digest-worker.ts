/**
 * The thread that hashes: started when the first digest is asked for, gone soon after the last.
 */
import type { Worker } from "node:worker_threads";
import { ElfReader } from "./program/elf.ts";
import { inspectFile, type Inspection } from "./program/inspect-file.ts";
import { KindFinder } from "./program/kind-finder.ts";

/**
 * Plain JavaScript in a string, so that it is the same from the bundle, from source on Node (whose worker would not
 * read TypeScript) and on Deno. The parts that are more than a few lines are ordinary, tested code that refers to
 * nothing outside of itself, taken as text. It opens the descriptor again by its path, which works across threads on
 * both runtimes.
 */
function source(): string {
  return `"use strict";
// Left in by loaders that keep the names of functions (tsx).
const __name = (target) => target;
const { parentPort } = require("node:worker_threads");
const { closeSync, constants, fstatSync, openSync, readSync } = require("node:fs");
const { createHash } = require("node:crypto");
const ElfReader = ${ElfReader.toString()};
const KindFinder = ${KindFinder.toString()};
const inspectFile = ${inspectFile.toString()};
const tools = { fstatSync, readSync, createHash, ElfReader, KindFinder, buffer: Buffer.allocUnsafe(1 << 18) };
parentPort.on("message", ({ id, path, limit }) => {
  let fd;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    parentPort.postMessage({ id, ...inspectFile(fd, limit, tools) });
  } catch (error) {
    parentPort.postMessage({ id, code: String(error.code ?? "error"), message: String(error.message) });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
});`;
}

/** How long an idle thread is kept: the hops of one lineage come in a row. */
const LINGER_MS = 250;

type Answer = { id: number } & (Inspection | { code: string; message: string });

interface Waiting {
  resolve(inspection: Inspection): void;
  reject(error: Error): void;
}

export class DigestWorker {
  #worker: Worker | undefined;
  #linger: NodeJS.Timeout | undefined;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** @throws with `code` as the kernel gave it, `EFBIG` for more than `limit` bytes, `ECANCELED` after `close`. */
  inspect(path: string, limit: number): Promise<Inspection> {
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
    const worker = new threads.Worker(source(), { eval: true, env: {}, execArgv: [] });
    worker.on("message", (answer: Answer) => this.#answer(answer));
    worker.on("error", (error: Error) => {
      if (worker === this.#worker) this.#end("EIO", `The hashing thread failed: ${error.message}`);
    });
    return worker;
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("sha256" in answer) waiting?.resolve(answer);
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
