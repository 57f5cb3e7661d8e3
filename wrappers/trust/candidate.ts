/** The program that is to be trusted, measured. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import {
  attestProcess,
  type Digests,
  type Fact,
  GuardError,
  isRootsAlone,
  messageOf,
  openPlatform,
  type RuntimeKind,
} from "../../sidecar/mod.ts";

/** What `trust add` shows, and what of it is kept. */
export interface Candidate {
  readonly sha256: string;
  readonly kind: RuntimeKind;
  /** With all links resolved; absent when no path leads to what the process runs. */
  readonly path: Fact<string>;
  readonly size: bigint;
  readonly owner: bigint;
  /** The file and every folder above it are root's and writable by nobody else. */
  readonly immutable: boolean;
  readonly by: "path" | "pid";
  /** What whoever decides should know beside this. */
  readonly remarks: readonly string[];
}

/**
 * Measures a file. One descriptor, opened once: what is hashed is what is shown.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` for what cannot be run by itself, `ERR_ATTESTATION_FAILED` for what cannot
 * be hashed.
 */
export async function measureFile(given: string, digests: Digests): Promise<Candidate> {
  const path = reading(given, () => realpathSync(resolve(given)));
  const fd = reading(path, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) throw unusable(given, "it is not a regular file");
    if (beginsLikeScript(fd)) {
      throw unusable(
        given,
        "it is a script, and what runs is its interpreter; name it by 'script:' in the policy",
      );
    }
    const { sha256, kind } = await digests.inspect(fd);
    return {
      sha256,
      kind,
      path: { value: path, grade: "heuristic" },
      size: stat.size,
      owner: stat.uid,
      immutable: isRootsAlone(path, stat),
      by: "path",
      remarks: path === resolve(given)
        ? []
        : [`'${given}' is a link, or lies behind one; this is the real file`],
    };
  } finally {
    closeSync(fd);
  }
}

/**
 * Measures the image that a process runs, which need not be at any path any more.
 *
 * @throws {GuardError} `ERR_PEER_GONE` when there is no such process, `ERR_ATTESTATION_FAILED` when its image cannot be
 * measured, or changed meanwhile.
 */
export async function measureRunning(pid: number, digests: Digests): Promise<Candidate> {
  const { process, selectors } = await attestProcess(openPlatform(), pid, digests);
  const { sha256, path } = process.executable;
  if ("absent" in sha256) {
    throw new GuardError("ERR_ATTESTATION_FAILED", `Cannot measure process ${pid}: ${sha256.absent}`);
  }
  // Once more, by a descriptor of our own, for what attestation does not tell. The digest says whether it is the same.
  const image = `/proc/${pid}/exe`;
  const fd = reading(image, () => openSync(image, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const { sha256: again, kind } = await digests.inspect(fd, { running: true });
    if (again !== sha256.value) {
      throw new GuardError("ERR_ATTESTATION_FAILED", `Cannot measure process ${pid}: exe-changed`);
    }
    const stat = fstatSync(fd, { bigint: true });
    const immutable = selectors.includes("proc:exe_immutable:true");
    return { sha256: again, kind, path, size: stat.size, owner: stat.uid, immutable, by: "pid", remarks: [] };
  } finally {
    closeSync(fd);
  }
}

function beginsLikeScript(fd: number): boolean {
  const start = Buffer.alloc(2);
  return readSync(fd, start, 0, 2, 0) === 2 && start.toString("latin1") === "#!";
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unusable(path, messageOf(error));
  }
}

function unusable(path: string, reason: string): GuardError {
  return new GuardError("ERR_CONFIG_INVALID", `Cannot trust '${path}': ${reason}`);
}
