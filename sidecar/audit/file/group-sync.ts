import type { AppendFile } from "./append-file.ts";

const GROUP_MS = 5;
const GROUP_RECORDS = 64;

/**
 * Puts records on the disk in groups, beside the calls: at most every 5 ms, sooner after 64 records.
 *
 * One fdatasync(2) is in flight at a time; what is written meanwhile waits for the next. A failed one may have lost
 * pages for good (Linux marks them clean), so it is kept until `takeFailure` and never retried silently.
 */
export class GroupSync {
  readonly #file: AppendFile;
  #waiting = 0;
  #inFlight = false;
  #timer: NodeJS.Timeout | undefined;
  #failure: Error | undefined;

  constructor(file: AppendFile) {
    this.#file = file;
  }

  /** Says that records were handed to the kernel. */
  wrote(records: number): void {
    this.#waiting += records;
    if (this.#waiting >= GROUP_RECORDS) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), GROUP_MS);
  }

  /** The error of a sync that failed since the last call. */
  takeFailure(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = 0;
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#inFlight || this.#waiting === 0) return;
    this.#waiting = 0;
    this.#inFlight = true;
    this.#file.syncLater((error) => {
      this.#inFlight = false;
      if (error !== null) this.#failure = error;
      if (this.#waiting > 0) this.#start();
    });
  }
}
