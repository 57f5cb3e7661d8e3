import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { MAX_LINE_BYTES } from "../record/seal.ts";

const POLL_MS = 200;
const CHUNK_BYTES = 65_536;

/**
 * Reads a log's lines for showing, in bounded memory, and goes on as it grows.
 *
 * What follows the last newline waits: it is being written. A line longer than any record comes cut.
 */
export class AuditReader {
  readonly #path: string;
  readonly #chunk: Buffer = Buffer.alloc(CHUNK_BYTES);
  #fd: number;
  #offset = 0;
  #rest = "";

  /**
   * Opens the log at its beginning.
   *
   * @throws as the kernel does when the file cannot be opened.
   */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "r");
  }

  /** The lines between the last one that was given out and the present end of the file. */
  *lines(): Generator<string> {
    // Up to the end as it is now: a guard may append faster than we read.
    const end = fstatSync(this.#fd).size;
    while (this.#offset < end) {
      const read = readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, this.#offset);
      if (read === 0) return;
      this.#offset += read;
      const lines = (this.#rest + this.#chunk.toString("latin1", 0, read)).split("\n");
      this.#rest = lines.pop()!.slice(0, MAX_LINE_BYTES);
      for (const line of lines) if (line !== "") yield line;
    }
  }

  /** Lines as they are appended, also in the next file once the log is rotated, until the signal. */
  async *follow(signal?: AbortSignal): AsyncGenerator<string> {
    while (signal?.aborted !== true) {
      const replaced = this.#replaced();
      // Looked at first, read then: what was written to the old file before the rotation is not lost.
      yield* this.lines();
      if (replaced) this.#reopen();
      // Aborting is how following ends; the condition above sees it.
      else await wait(POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /** Gives the descriptor back. A reader is not to be used after it. */
  close(): void {
    closeSync(this.#fd);
  }

  /** Another file stands at the path. Where none does yet, the guard makes one at its next record. */
  #replaced(): boolean {
    const now = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return now !== undefined && now.ino !== fstatSync(this.#fd, { bigint: true }).ino;
  }

  #reopen(): void {
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, "r");
    this.#offset = 0;
    this.#rest = "";
  }
}
