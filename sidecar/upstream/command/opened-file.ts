import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { absent, type Fact, known } from "../../model/evidence.ts";
import { cannotStart } from "./resolve.ts";
import { FIRST_BYTES } from "./shebang.ts";

/** A file held open: its name may be given to another file, the descriptor stays with this one. */
export class OpenedFile {
  readonly path: string;
  /** Undefined for what may be executed and not be read (mode 0711): it can run, and cannot be measured. */
  readonly fd: number | undefined;
  readonly #stat: BigIntStats;
  #closed = false;

  /** @throws {GuardError} `ERR_UPSTREAM_LAUNCH` */
  constructor(command: string, path: string) {
    this.path = path;
    this.fd = attempt(command, path, openToRead);
    this.#stat = this.fd === undefined
      ? attempt(command, path, (file) => statSync(file, { bigint: true }))
      : fstatSync(this.fd, { bigint: true });
    if (this.#stat.isFile()) return;
    this.close();
    throw cannotStart(command, `this is not a regular file: '${path}'`);
  }

  /** Whether a path leads to this very inode now. @throws what stat(2) says. */
  isAt(path: string): boolean {
    const stat = statSync(path, { bigint: true });
    return stat.dev === this.#stat.dev && stat.ino === this.#stat.ino;
  }

  /**
   * Whether it is still at its path, and was not written to since it was opened.
   *
   * ctime cannot be set by a program. Writing through a shared mapping that was open before may leave no trace.
   */
  isUnchanged(): boolean {
    try {
      const stat = statSync(this.path, { bigint: true });
      const keys = ["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const;
      return keys.every((key) => stat[key] === this.#stat[key]);
    } catch {
      // Gone, or out of reach: no longer what it was.
      return false;
    }
  }

  /** The first bytes, which decide how the kernel runs it. Undefined when it cannot be read. */
  head(): Uint8Array | undefined {
    if (this.fd === undefined) return undefined;
    const bytes = new Uint8Array(FIRST_BYTES);
    return bytes.subarray(0, readSync(this.fd, bytes, 0, bytes.length, 0));
  }

  /** Where it really is, symlinks resolved. */
  realPath(): Fact<string> {
    if (this.fd === undefined) return absent("exe-unreadable:EACCES");
    return known(readlinkSync(`/proc/self/fd/${this.fd}`), "measured");
  }

  close(): void {
    if (this.#closed || this.fd === undefined) return;
    this.#closed = true;
    closeSync(this.fd);
  }
}

function openToRead(path: string): number | undefined {
  try {
    // O_NONBLOCK: a FIFO put in its place would hold us for ever.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    throw error;
  }
}

function attempt<T>(command: string, path: string, action: (path: string) => T): T {
  try {
    return action(path);
  } catch (error) {
    throw cannotStart(command, `cannot open '${path}' (${(error as NodeJS.ErrnoException).code})`, error);
  }
}
