/**
 * What is in the files of a command: as evidence for the audit log, and as a gate where the policy names digests.
 */
import { GuardError } from "../../model/errors.ts";
import { absent, type Fact, type FileEvidence, type Grade, known } from "../../model/evidence.ts";
import type { Digests } from "../../platform/digests.ts";
import type { MeasuredCommand } from "../upstream.ts";
import type { CommandImages } from "./images.ts";
import { OpenedFile } from "./opened-file.ts";
import { cannotStart, inFolder } from "./resolve.ts";

export interface Pins {
  /** Accepted digests of the command's own file; undefined accepts any. */
  readonly executableDigests: readonly string[] | undefined;
  /** Further files, relative to the working folder, with the one digest each may have. */
  readonly files: Readonly<Record<string, string>>;
}

/** Files whose digests were right, held open so that a later change can be seen. */
export interface VerifiedFiles {
  /** @throws {GuardError} `ERR_UPSTREAM_LAUNCH` when one was replaced or written to since. */
  assertUnchanged(): void;
  close(): void;
}

/**
 * Compares the opened files with the policy's digests.
 *
 * @throws {GuardError} `ERR_UPSTREAM_LAUNCH` when one differs or cannot be read. The digest found is in `message`, so
 *   that the policy can be corrected, and not in `publicMessage`.
 */
export async function verifyPins(
  command: string,
  images: CommandImages,
  pins: Pins,
  cwd: string,
  digests: Digests,
): Promise<VerifiedFiles> {
  const extra: OpenedFile[] = [];
  const close = () => extra.forEach((file) => file.close());
  try {
    const { executableDigests } = pins;
    if (executableDigests !== undefined) await compare(command, images.file, executableDigests, digests);
    for (const [path, digest] of Object.entries(pins.files)) {
      const file = new OpenedFile(command, inFolder(cwd, path));
      extra.push(file);
      await compare(command, file, [digest], digests);
    }
  } catch (error) {
    close();
    throw error;
  }
  // Only what was compared: an update of an interpreter that nobody pinned is nobody's business here.
  const compared = pins.executableDigests === undefined ? extra : [images.file, ...extra];
  return { close, assertUnchanged: () => assertUnchanged(command, compared) };
}

async function compare(
  command: string,
  file: OpenedFile,
  accepted: readonly string[],
  digests: Digests,
): Promise<void> {
  if (file.fd === undefined) throw cannotStart(command, `cannot measure '${file.path}': it is not readable`);
  let digest: string;
  try {
    digest = await digests.fileDigest(file.fd);
  } catch (error) {
    throw cannotStart(command, `cannot measure '${file.path}'`, error);
  }
  if (accepted.includes(digest)) return;
  throw cannotStart(command, `'${file.path}' has the sha256 ${digest}, which the policy does not name`);
}

export function assertUnchanged(command: string, files: readonly OpenedFile[]): void {
  const changed = files.find((file) => !file.isUnchanged());
  if (changed !== undefined) {
    throw cannotStart(command, `'${changed.path}' was replaced or written to while it was being started`);
  }
}

/**
 * Digests of what runs, for the record. Never rejects; closes the images when done.
 *
 * @param isRunning Whether this file is the image that the child runs at this moment. Asked once more at the end: by
 *   then `env` has become the program it was asked for.
 */
export async function describeCommand(
  images: CommandImages,
  isRunning: (file: OpenedFile) => boolean,
  digests: Digests,
): Promise<MeasuredCommand> {
  try {
    const interpreter = images.interpreters.at(-1);
    const [executable, interpreted] = await Promise.all([
      describeFile(images.file, isRunning, digests),
      interpreter === undefined ? undefined : describeFile(interpreter, isRunning, digests),
    ]);
    return { path: images.file.path, executable, interpreter: interpreted };
  } finally {
    images.close();
  }
}

async function describeFile(
  file: OpenedFile,
  isRunning: (file: OpenedFile) => boolean,
  digests: Digests,
): Promise<FileEvidence> {
  const path = file.realPath();
  const running = isRunning(file);
  const sha256 = await digestFact(file, running, digests);
  // A script, or a program that has meanwhile become another one: its user can have rewritten it unseen.
  const grade: Grade = running || isRunning(file) ? "measured" : "heuristic";
  return { path: regrade(path, grade), sha256: regrade(sha256, grade) };
}

async function digestFact(file: OpenedFile, running: boolean, digests: Digests): Promise<Fact<string>> {
  if (file.fd === undefined) return absent("exe-unreadable:EACCES");
  try {
    return known(await digests.fileDigest(file.fd, { running }), "measured");
  } catch (error) {
    const reason = error instanceof GuardError && "reason" in error ? String(error.reason) : "error";
    return absent(`exe-unreadable:${reason}`);
  }
}

function regrade(fact: Fact<string>, grade: Grade): Fact<string> {
  return "value" in fact ? known(fact.value, grade) : fact;
}
