/**
 * Remembers digests by what cannot stay equal when the bytes change.
 *
 * Trusts: this user's runtime folder, and so every process of this user, which could write a false digest there (as it
 * could patch the running image itself: SECURITY.md). Defends against: other users, leftovers of another boot, a file
 * whose mtime was set back (ctime cannot be set), writes in the same clock tick as the look.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { privateFolder } from "./runtime-folder.ts";

const MAX_ENTRIES = 256;
const DIGEST_BYTES = 64;

export class DigestCache {
  readonly #memory = new Map<string, string>();
  readonly #locate: () => string | undefined;
  #folder: string | undefined;
  #located = false;

  /** @param locate The user's runtime folder, asked once and when first needed; undefined keeps all in memory. */
  constructor(locate: () => string | undefined) {
    this.#locate = locate;
  }

  get(key: string): string | undefined {
    const digest = this.#memory.get(key) ?? this.#load(key);
    if (digest === undefined) return undefined;
    this.#remember(key, digest);
    return digest;
  }

  set(key: string, digest: string): void {
    this.#remember(key, digest);
    const folder = this.#open();
    if (folder === undefined) return;
    try {
      const temporary = join(folder, `.${process.pid}-${key}`);
      writeFileSync(temporary, digest, { mode: 0o600, flag: "wx" });
      renameSync(temporary, join(folder, key));
      prune(folder);
    } catch {
      // A full disk or a folder that vanished costs the next guard one hash; nothing depends on the cache.
    }
  }

  #remember(key: string, digest: string): void {
    // Deleted first, so that the oldest of the map is the one longest unused.
    this.#memory.delete(key);
    this.#memory.set(key, digest);
    if (this.#memory.size > MAX_ENTRIES) this.#memory.delete(this.#memory.keys().next().value!);
  }

  #load(key: string): string | undefined {
    const folder = this.#open();
    return folder === undefined ? undefined : readEntry(join(folder, key));
  }

  #open(): string | undefined {
    if (this.#located) return this.#folder;
    this.#located = true;
    const base = this.#locate();
    const boot = bootId();
    if (base === undefined || boot === undefined) return undefined;
    this.#folder = privateFolder(join(base, `digests-${boot}`));
    removeOtherBoots(base, `digests-${boot}`);
    return this.#folder;
  }
}

/** Anything but a plain file of ours with a digest in it is no entry. */
function readEntry(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) return undefined;
    const bytes = Buffer.alloc(DIGEST_BYTES + 1);
    if (readSync(fd, bytes, 0, bytes.length, 0) !== DIGEST_BYTES) return undefined;
    const digest = bytes.toString("latin1", 0, DIGEST_BYTES);
    return /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
  } catch {
    // Not there, or not readable: hashed again.
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Device numbers and inodes mean something within one boot only. */
function bootId(): string | undefined {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return /^[0-9a-f-]{36}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

function removeOtherBoots(base: string, current: string): void {
  try {
    for (const name of readdirSync(base)) {
      if (name.startsWith("digests-") && name !== current) rmSync(join(base, name), { recursive: true });
    }
  } catch {
    // Another guard is removing them too.
  }
}

function prune(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= MAX_ENTRIES) return;
  const byAge = names.map((name) => ({ name, age: statSync(join(folder, name)).mtimeMs }));
  byAge.sort((a, b) => a.age - b.age);
  for (const { name } of byAge.slice(0, names.length - MAX_ENTRIES)) {
    rmSync(join(folder, name), { force: true });
  }
}
