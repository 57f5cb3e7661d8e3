/**
 * Measures one process: steps 4 to 7 of the order of verification. Everything is read through its handle, and the
 * handle is asked at the end whether it was one living process all along.
 */
import { basename } from "node:path";
import { kindOfName } from "../../policy/admit/program-names.ts";
import {
  type Absent,
  absent,
  type Credentials,
  type ExecutableEvidence,
  type Fact,
  type Grade,
  known,
  type ProcessEvidence,
  type RuntimeKind,
  type WantedFact,
} from "../model/evidence.ts";
import { DigestError, type Digests } from "../platform/digests.ts";
import { errorCode } from "../platform/native.ts";
import type { ProcessHandle } from "../platform/platform.ts";
import { gatherOwnWord } from "./facts/own-word.ts";
import { readLabel, readNamespaces } from "./facts/surroundings.ts";
import { type Image, openImage } from "./image.ts";
import { sharesView } from "./own-view.ts";
import { parseStatus } from "./process-files.ts";
import { openToldImage } from "./told-image.ts";

export interface MeasureOptions {
  /** The grade that what is measured gets: how far this process is known to be the one that speaks. */
  readonly grade: Grade;
  /** The grade of its uid and gid. */
  readonly accountGrade: Grade;
  /** Who it must be, as the kernel pinned it. A process that changed its uid since has no measured facts. */
  readonly credentials?: Credentials;
}

/** A process that was measured, held until `close`. */
export interface MeasuredProcess {
  readonly handle: ProcessHandle;
  /** The digest is `pending` here, or absent with its reason. */
  readonly evidence: ProcessEvidence;
  /** The image is a file that only root can change. */
  isImmutable(): boolean;
  /** The same evidence with what is wanted gathered. Never rejects. */
  complete(digests: Digests, wants?: ReadonlySet<WantedFact>): Promise<ProcessEvidence>;
  /** Steps 4 to 7 once more. @returns What is not as it was; undefined when all is. */
  remeasure(): string | undefined;
  /** The process lives and runs the image that was measured. */
  stillSame(): boolean;
  close(): void;
}

const NOT_GATHERED = absent("not-gathered");
const PENDING = absent("pending");
const EVERYTHING: ReadonlySet<WantedFact> = new Set<WantedFact>(["script", "argv", "loaders", "mappings"]);

/** Takes ownership of the handle. Cheap: no file is read through. */
export function measureProcess(handle: ProcessHandle, options: MeasureOptions): MeasuredProcess {
  const account = readAccount(handle, options);
  const refusal = "absent" in account.uid ? account.uid.absent : account.refusal;
  const image = refusal ?? open(handle, options.grade);
  const evidence: ProcessEvidence = {
    pid: handle.pid,
    pidfdInode: handle.inode === undefined ? absent("no-pidfs") : known(handle.inode, "kernel"),
    uid: account.uid,
    gid: account.gid,
    groups: account.groups,
    label: NOT_GATHERED,
    namespaces: { pid: NOT_GATHERED, mnt: NOT_GATHERED },
    executable: typeof image === "string"
      ? { path: absent(image), sha256: absent(image), immutable: absent(image), runtime: absent(image) }
      : { path: image.path, sha256: PENDING, immutable: NOT_GATHERED, runtime: PENDING },
    script: { path: NOT_GATHERED, sha256: NOT_GATHERED },
    argv: NOT_GATHERED,
    loaders: NOT_GATHERED,
    mappings: NOT_GATHERED,
  };
  return new Measured(handle, evidence, typeof image === "string" ? undefined : image, options);
}

function open(handle: ProcessHandle, grade: Grade): Image | string {
  const { told } = handle;
  return told === undefined ? openImage(handle, grade) : openToldImage(handle, told, grade);
}

interface Account {
  readonly uid: Fact<number>;
  readonly gid: Fact<number>;
  readonly groups: Fact<readonly number[]>;
  /** Why nothing beyond the account may be believed. */
  readonly refusal?: string;
}

function readAccount(handle: ProcessHandle, options: MeasureOptions): Account {
  const pinned = options.credentials;
  const from = (uid: number, gid: number, groups: Account["groups"]): Account => ({
    uid: known(uid, options.accountGrade),
    gid: known(gid, options.accountGrade),
    groups,
  });
  const nothing = (reason: string): Account =>
    pinned === undefined
      ? { uid: absent(reason), gid: absent(reason), groups: absent(reason) }
      : { ...from(pinned.uid, pinned.gid, absent(reason)), refusal: reason };
  let status: Status | undefined;
  try {
    status = readStatus(handle);
  } catch (error) {
    // ENOENT may be hidepid, not an exit: unreadable says no more than is known.
    return nothing(`status-unreadable:${errorCode(error)}`);
  }
  if (status === undefined) return nothing("status-malformed");
  const uid = status.uids[0]!;
  // A process between two identities, as a set-uid program is, has no single account.
  if (status.uids.some((other) => other !== uid)) return nothing("uid-mixed");
  if (pinned !== undefined && uid !== pinned.uid) return nothing("uid-changed");
  // Groups are those of now. Only root can take on another one.
  const groups = "absent" in status.groups ? status.groups : known(status.groups, options.accountGrade);
  const account = from(uid, pinned?.gid ?? status.gids[1]!, groups);
  const refusal = status.refusal();
  return refusal === undefined ? account : { ...account, refusal };
}

interface Status {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[] | Absent;
  /** Why nothing else read of it is evidence. */
  refusal(): string | undefined;
}

/** macOS keeps sixteen groups at most with a process and asks a directory for the others: being none is no fact. */
const GROUPS_CUT = absent("groups-incomplete");

function readStatus(handle: ProcessHandle): Status | undefined {
  if (handle.told !== undefined) {
    const { refusal, ...ids } = handle.told.account();
    return { ...ids, groups: GROUPS_CUT, refusal: () => refusal };
  }
  const status = parseStatus(handle.read("status"));
  if (status === undefined) return undefined;
  const { tracerPid } = status;
  return { ...status, refusal: () => tracerPid === 0 ? namespaceRefusal(handle) : `traced-by:${tracerPid}` };
}

/** auxv is written anew by every exec: it shows one that led back to the same file. */
function incarnation(handle: ProcessHandle): string {
  return handle.told === undefined ? handle.read("auxv") : handle.told.incarnation();
}

/**
 * In a user namespace of its own an unprivileged process may set its exe link to any file (PR_SET_MM), so nothing read
 * of it there is evidence.
 */
function namespaceRefusal(handle: ProcessHandle): string | undefined {
  try {
    return sharesView(handle, "ns/user") ? undefined : "user-namespace-other";
  } catch (error) {
    return `ns-unreadable:${errorCode(error)}`;
  }
}

class Measured implements MeasuredProcess {
  readonly handle: ProcessHandle;
  readonly evidence: ProcessEvidence;
  readonly #image: Image | undefined;
  readonly #options: MeasureOptions;
  #incarnation: string | undefined;
  #closed = false;

  constructor(
    handle: ProcessHandle,
    evidence: ProcessEvidence,
    image: Image | undefined,
    options: MeasureOptions,
  ) {
    this.handle = handle;
    this.evidence = evidence;
    this.#image = image;
    this.#options = options;
  }

  remeasure(): string | undefined {
    if (!this.stillSame()) return this.handle.isAlive() ? "exe-changed" : "peer-gone";
    const account = readAccount(this.handle, this.#options);
    if (account.refusal !== undefined && this.#image !== undefined) return account.refusal;
    const changed = this.#changed();
    if (changed !== undefined) return changed;
    const { uid } = this.evidence;
    const same = "absent" in uid
      ? "absent" in account.uid
      : "value" in account.uid && account.uid.value === uid.value;
    return same ? undefined : "uid-changed";
  }

  async complete(digests: Digests, wants: ReadonlySet<WantedFact> = EVERYTHING): Promise<ProcessEvidence> {
    const read = { ...this.evidence, ...this.#surroundings() };
    if (this.#image === undefined) return read;
    const executable = await this.#executable(this.#image, digests);
    const facts = await gatherOwnWord(this.handle, { runtime: executable.runtime, digests, wants });
    // What it says of itself was read of the image that was measured, or it is nobody's word.
    return this.#closed || this.#changed() !== undefined
      ? { ...read, executable }
      : { ...read, executable, ...facts };
  }

  #surroundings(): Pick<ProcessEvidence, "label" | "namespaces"> {
    if (this.#closed) return this.evidence;
    return { label: readLabel(this.handle), namespaces: readNamespaces(this.handle) };
  }

  async #executable(image: Image, digests: Digests): Promise<ExecutableEvidence> {
    const nothing = (reason: string): ExecutableEvidence => ({
      path: this.evidence.executable.path,
      sha256: absent(reason),
      immutable: absent(reason),
      runtime: absent(reason),
    });
    if (this.#closed) return nothing("closed");
    try {
      this.#incarnation ??= incarnation(this.handle);
      // Only Linux refuses whoever would write to a file that runs.
      const running = this.handle.told === undefined;
      const { sha256, kind } = await digests.inspect(image.fd, { running });
      const changed = this.#changed();
      return changed === undefined ? this.#describe(image, sha256, kind) : nothing(changed);
    } catch (error) {
      return nothing(
        error instanceof DigestError ? `exe-${error.reason}` : `exe-unreadable:${errorCode(error)}`,
      );
    }
  }

  #describe(image: Image, sha256: string, kind: RuntimeKind): ExecutableEvidence {
    const immutable = image.isImmutable();
    const { grade } = this.#options;
    // Only what is proven to speak can be more than measured.
    const best = immutable && grade === "measured" ? "immutable" : grade;
    const path = "value" in image.path ? known(image.path.value, best) : image.path;
    return {
      path,
      sha256: known(sha256, best),
      immutable: immutable ? known(true, best) : absent("exe-writable"),
      runtime: known(lowered(kind, path), best),
    };
  }

  #changed(): string | undefined {
    if (this.#closed) return "closed";
    if (this.#image?.isCurrent() === false) return "exe-changed";
    try {
      const before = this.#incarnation;
      return before === undefined || incarnation(this.handle) === before ? undefined : "exe-changed";
    } catch (error) {
      return `exe-unreadable:${errorCode(error)}`;
    }
  }

  isImmutable(): boolean {
    return this.#image?.isImmutable() ?? false;
  }

  stillSame(): boolean {
    if (this.#closed) return false;
    return this.#image === undefined ? this.handle.isAlive() : this.#image.isCurrent();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#image?.close();
    this.handle.close();
  }
}

/** A name proves nothing, but what is called like an interpreter is not taken for a program of its own. */
function lowered(kind: RuntimeKind, path: Fact<string>): RuntimeKind {
  if (kind !== "native" || !("value" in path)) return kind;
  return kindOfName(basename(path.value)) ?? kind;
}
