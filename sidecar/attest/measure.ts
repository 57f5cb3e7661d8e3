/**
 * Measures one process: steps 4 to 7 of the order of verification. Everything is read through its handle, and the
 * handle is asked at the end whether it was one living process all along.
 */
import type { WantedFact } from "../../policy/clients.ts";
import {
  absent,
  type Credentials,
  type Fact,
  type Grade,
  known,
  type ProcessEvidence,
} from "../model/evidence.ts";
import { DigestError, type Digests } from "../platform/digests.ts";
import { errorCode } from "../platform/native.ts";
import type { ProcessHandle } from "../platform/platform.ts";
import { type Image, openImage } from "./image.ts";
import { sharesView } from "./own-view.ts";
import { parseStatus } from "./process-files.ts";

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

/** Takes ownership of the handle. Cheap: no file is read through. */
export function measureProcess(handle: ProcessHandle, options: MeasureOptions): MeasuredProcess {
  const account = readAccount(handle, options);
  const refusal = "absent" in account.uid ? account.uid.absent : account.refusal;
  const image = refusal ?? openImage(handle, options.grade);
  const evidence: ProcessEvidence = {
    pid: handle.pid,
    pidfdInode: handle.inode === undefined ? absent("no-pidfs") : known(handle.inode, "kernel"),
    uid: account.uid,
    gid: account.gid,
    groups: NOT_GATHERED,
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

interface Account {
  readonly uid: Fact<number>;
  readonly gid: Fact<number>;
  /** Why nothing beyond the account may be believed. */
  readonly refusal?: string;
}

function readAccount(handle: ProcessHandle, options: MeasureOptions): Account {
  const pinned = options.credentials;
  const from = (uid: number, gid: number) => ({
    uid: known(uid, options.accountGrade),
    gid: known(gid, options.accountGrade),
  });
  const nothing = (reason: string): Account =>
    pinned === undefined
      ? { uid: absent(reason), gid: absent(reason) }
      : { ...from(pinned.uid, pinned.gid), refusal: reason };
  let status: ReturnType<typeof parseStatus>;
  try {
    status = parseStatus(handle.read("status"));
  } catch (error) {
    // ENOENT may be hidepid, not an exit: unreadable says no more than is known.
    return nothing(`status-unreadable:${errorCode(error)}`);
  }
  if (status === undefined) return nothing("status-malformed");
  const uid = status.uids[0]!;
  // A process between two identities, as a set-uid program is, has no single account.
  if (status.uids.some((other) => other !== uid)) return nothing("uid-mixed");
  if (pinned !== undefined && uid !== pinned.uid) return nothing("uid-changed");
  const account = pinned === undefined ? from(uid, status.gids[1]!) : from(pinned.uid, pinned.gid);
  const refusal = status.tracerPid === 0 ? namespaceRefusal(handle) : `traced-by:${status.tracerPid}`;
  return refusal === undefined ? account : { ...account, refusal };
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
    const { uid } = this.evidence;
    const same = "absent" in uid
      ? "absent" in account.uid
      : "value" in account.uid && account.uid.value === uid.value;
    return same ? undefined : "uid-changed";
  }

  async complete(digests: Digests): Promise<ProcessEvidence> {
    if (this.#image === undefined) return this.evidence;
    const sha256 = await this.#digest(this.#image, digests);
    return { ...this.evidence, executable: { ...this.evidence.executable, sha256 } };
  }

  async #digest(image: Image, digests: Digests): Promise<Fact<string>> {
    if (this.#closed) return absent("closed");
    try {
      // auxv is written anew by every exec: it shows one that led back to the same file.
      const before = this.handle.read("auxv");
      const sha256 = await digests.fileDigest(image.fd, { running: true });
      if (this.#closed) return absent("closed");
      const same = image.isCurrent() && this.handle.read("auxv") === before;
      return same ? known(sha256, this.#options.grade) : absent("exe-changed");
    } catch (error) {
      return absent(
        error instanceof DigestError ? `exe-${error.reason}` : `exe-unreadable:${errorCode(error)}`,
      );
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
