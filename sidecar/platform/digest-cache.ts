/**
 * Remembers digests, and what kind of program each is of, by what cannot stay equal when the bytes change.
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
import type { RuntimeKind } from "../model/evidence.ts";
import { isRuntimeKind } from "./program/kinds.ts";
import { privateFolder } from "./runtime-folder.ts";

const MAX_ENTRIES = 256;
/** Longer than any entry. */
const ENTRY_BYTES = 128;
/**
 * Stands before each entry. To be counted up when the same bytes may be told to be another kind than before; what
 * another version wrote, and the bare digests before there were kinds, are no entries.
 */
const VERSION = "k1";

/** What is known of the bytes of a file. */
export interface Inspected {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly kind: RuntimeKind;
}

export class DigestCache {
  readonly #memory = new Map<string, Inspected>();
  readonly #locate: () => string | undefined;
  #folder: string | undefined;
  #located = false;

  /** @param locate The user's runtime folder, asked once and when first needed; undefined keeps all in memory. */
  constructor(locate: () => string | undefined) {
    this.#locate = locate;
  }

  get(key: string): Inspected | undefined {
    const inspected = this.#memory.get(key) ?? this.#load(key);
    if (inspected === undefined) return undefined;
    this.#remember(key, inspected);
    return inspected;
  }

  set(key: string, inspected: Inspected): void {
    this.#remember(key, inspected);
    const folder = this.#open();
    if (folder === undefined) return;
    try {
      const temporary = join(folder, `.${process.pid}-${key}`);
      writeFileSync(temporary, `${VERSION} ${inspected.sha256} ${inspected.kind}`, {
        mode: 0o600,
        flag: "wx",
      });
      renameSync(temporary, join(folder, key));
      prune(folder);
    } catch {
      // A full disk or a folder that vanished costs the next guard one hash; nothing depends on the cache.
    }
  }

  #remember(key: string, inspected: Inspected): void {
    // Deleted first, so that the oldest of the map is the one longest unused.
    this.#memory.delete(key);
    this.#memory.set(key, inspected);
    if (this.#memory.size > MAX_ENTRIES) this.#memory.delete(this.#memory.keys().next().value!);
  }

  #load(key: string): Inspected | undefined {
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

/** Anything but a plain file of ours with a whole entry of this version in it is none. */
function readEntry(path: string): Inspected | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) return undefined;
    const bytes = Buffer.alloc(ENTRY_BYTES);
    return parseEntry(bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.length, 0)));
  } catch {
    // Not there, or not readable: hashed again.
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function parseEntry(text: string): Inspected | undefined {
  const [version, sha256, kind, ...more] = text.split(" ");
  if (version !== VERSION || sha256 === undefined || kind === undefined || more.length > 0) return undefined;
  return /^[0-9a-f]{64}$/.test(sha256) && isRuntimeKind(kind) ? { sha256, kind } : undefined;
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
