import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { MAX_LINE_BYTES } from "../record/seal.ts";
import { readLines } from "./lines.ts";

const POLL_MS = 200;
const CHUNK_BYTES = 65_536;

/** Yields a log's lines, in bounded memory. What follows the last newline is left out: it is being written. */
export function* auditLines(file: string): Generator<string> {
  const fd = openSync(file, "r");
  try {
    for (const line of readLines(fd, MAX_LINE_BYTES)) {
      if (line.terminated && line.bytes.length > 0) yield line.bytes.toString("latin1");
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Yields lines as they are appended after the call, and goes on in the next file when the log is rotated. Ends when the
 * signal says so.
 */
export async function* followAuditLines(file: string, signal?: AbortSignal): AsyncGenerator<string> {
  let tail = new GrowingFile(file, "end");
  try {
    while (signal?.aborted !== true) {
      yield* tail.lines();
      if (tail.replaced()) {
        // What was written between our last look and the rotation.
        yield* tail.lines();
        tail.close();
        tail = new GrowingFile(file, "start");
        continue;
      }
      await wait(POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } finally {
    tail.close();
  }
}

class GrowingFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #inode: bigint;
  readonly #chunk: Buffer = Buffer.alloc(CHUNK_BYTES);
  #offset: number;
  #rest = "";

  constructor(path: string, from: "start" | "end") {
    this.#path = path;
    this.#fd = openSync(path, "r");
    this.#inode = fstatSync(this.#fd, { bigint: true }).ino;
    this.#offset = from === "end" ? fstatSync(this.#fd).size : 0;
  }

  *lines(): Generator<string> {
    for (let read = this.#read(); read > 0; read = this.#read()) {
      this.#offset += read;
      const lines = (this.#rest + this.#chunk.toString("latin1", 0, read)).split("\n");
      this.#rest = lines.pop()!.slice(0, MAX_LINE_BYTES);
      for (const line of lines) if (line !== "") yield line;
    }
  }

  /** Another file stands at the path. Where none does yet, the guard will make one at its next record. */
  replaced(): boolean {
    const now = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return now !== undefined && now.ino !== this.#inode;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(): number {
    return readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, this.#offset);
  }
}
