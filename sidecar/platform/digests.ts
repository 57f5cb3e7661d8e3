/**
 * Digests and program kinds of files, computed off the main thread and remembered while the file is provably the same.
 *
 * Only a digest is ever cached, never a decision.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync } from "node:fs";
import { GuardError, messageOf } from "../model/errors.ts";
import { DigestCache, type Inspected } from "./digest-cache.ts";
import { DigestWorker } from "./digest-worker.ts";
import { fileSystemOf, isLocalFileSystem } from "./file-systems.ts";
import { errorCode } from "./native.ts";
import { runtimeFolder } from "./runtime-folder.ts";

/** The sha256 of files, computed beside the main thread, so that hashing 250 MB holds up no message. */
export interface Digests {
  /**
   * The sha256 of a regular file, in lower-case hex.
   *
   * The file is opened before this returns, so a descriptor may be closed at once after the call. The bytes are
   * counted, and size, mtime and ctime must be the same before and after: a file that is removed meanwhile counts as
   * changed.
   *
   * @param path A path, or a descriptor that the caller keeps.
   * @param options.running The file is the image of a live process: nobody can write to it meanwhile (ETXTBSY), so
   *   the digest may be cached. Never say so of anything else: a file mapped shared and writable changes without a
   *   trace in its times.
   * @throws {DigestError} when it cannot be read, is not a regular file, is too large, or changed.
   */
  fileDigest(path: string | number, options?: { readonly running?: boolean }): Promise<string>;
  /**
   * The same, and what kind of program these very bytes are: told from them alone, whatever the file is called. What is
   * no executable of this system, or cannot be read as one, is an `unknown-runtime`.
   */
  inspect(path: string | number, options?: { readonly running?: boolean }): Promise<Inspected>;
  /** Stops hashing. What is pending is rejected; later calls are too. */
  close(): void;
}

export type { Inspected };

/** Why there is no digest, as a short code for absent facts: `too-big`, `changed`, `EACCES`. */
export class DigestError extends GuardError {
  override readonly name = "DigestError";
  /** The short code. */
  readonly reason: string;

  constructor(reason: string, message: string, cause?: unknown) {
    super("ERR_ATTESTATION_FAILED", message, { cause });
    this.reason = reason;
  }
}

/** How {@linkcode createDigests} remembers and limits. */
export interface DigestOptions {
  /** Where digests are kept for other guards of this user and boot. @default {runtimeFolder} */
  readonly folder?: () => string | undefined;
  /** A sparse file of a terabyte costs its owner nothing; hashing it would. @default {1 GiB} */
  readonly limit?: number;
}

/** Nothing is started, opened or made before the first digest is asked for. */
export function createDigests(options: DigestOptions = {}): Digests {
  return new CachedDigests(options.folder ?? (() => runtimeFolder(process.env)), options.limit ?? 1 << 30);
}

/** git calls a file "racy" when it changed in the tick of the look; kernel ticks are coarse, so two seconds. */
const SETTLED_MS = 2000;

class CachedDigests implements Digests {
  readonly #cache: DigestCache;
  readonly #limit: number;
  readonly #worker = new DigestWorker();
  readonly #pending = new Map<string, Promise<Inspected>>();
  #closed = false;

  constructor(folder: () => string | undefined, limit: number) {
    this.#cache = new DigestCache(folder);
    this.#limit = limit;
  }

  async fileDigest(path: string | number, options?: { readonly running?: boolean }): Promise<string> {
    return (await this.inspect(path, options)).sha256;
  }

  async inspect(path: string | number, options: { readonly running?: boolean } = {}): Promise<Inspected> {
    if (this.#closed) throw new DigestError("stopped", "Cannot hash: hashing was stopped");
    const fd = open(path);
    try {
      const before = this.#check(fd, path);
      const cacheable = options.running === true && before.local;
      const remembered = cacheable ? this.#cache.get(before.key) : undefined;
      if (remembered !== undefined) return remembered;
      const inspected = await this.#once(fd, before, cacheable);
      if (identify(fd).key !== before.key) {
        throw new DigestError("changed", "The file changed while it was read");
      }
      if (cacheable && Date.now() - Number(before.stat.ctimeMs) > SETTLED_MS) {
        this.#cache.set(before.key, inspected);
      }
      return inspected;
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    this.#closed = true;
    this.#worker.close();
  }

  #check(fd: number, path: string | number): Identity {
    const identity = identify(fd);
    if (!identity.stat.isFile()) {
      throw new DigestError("not-a-file", `Cannot hash '${path}': not a regular file`);
    }
    if (identity.stat.size > this.#limit) {
      throw new DigestError("too-big", `Cannot hash '${path}': ${identity.stat.size} bytes are too many`);
    }
    return identity;
  }

  /**
   * Ancestors often run the same file (node under node): it is read once. A reading begun before the file was known to
   * run is not shared with one that may be cached: the file could be written to at its beginning.
   */
  #once(fd: number, identity: Identity, cacheable: boolean): Promise<Inspected> {
    const name = `${cacheable}-${identity.key}`;
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const inspected = this.#read(fd, identity).finally(() => this.#pending.delete(name));
    this.#pending.set(name, inspected);
    return inspected;
  }

  async #read(fd: number, identity: Identity): Promise<Inspected> {
    try {
      const { sha256, kind, bytes } = await this.#worker.inspect(descriptorPath(fd), this.#limit);
      if (BigInt(bytes) === identity.stat.size) return { sha256, kind };
    } catch (error) {
      throw new DigestError(errorCode(error), `Cannot hash a file: ${messageOf(error)}`, error);
    }
    throw new DigestError("changed", "The file changed while it was read");
  }
}

interface Identity {
  readonly stat: BigIntStats;
  readonly key: string;
  /** Whether its bytes come from this kernel. */
  readonly local: boolean;
}

function identify(fd: number): Identity {
  const stat = fstatSync(fd, { bigint: true });
  const type = fileSystemOf(descriptorPath(fd));
  const key = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs, type].join("-");
  return { stat, key, local: isLocalFileSystem(type) };
}

function open(path: string | number): number {
  const name = typeof path === "number" ? descriptorPath(path) : path;
  try {
    // O_NONBLOCK: opening a FIFO that somebody put there must not hang.
    return openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new DigestError(errorCode(error), `Cannot open '${name}': ${messageOf(error)}`, error);
  }
}

/** Opening this again gives the same inode, whatever became of its path (proc(5)). */
function descriptorPath(fd: number): string {
  return process.platform === "linux" ? `/proc/self/fd/${fd}` : `/dev/fd/${fd}`;
}
