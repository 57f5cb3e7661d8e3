/**
 * The one way to an upstream: find, measure, start, look again, and only then hand out its streams.
 *
 * Trusts: the kernel, /proc, and the policy's digests. Defends against: another file than the measured one being run,
 * other processes of the user writing into the child's stdin, variables that nobody stated, orphans. Leaves to others:
 * what the measured program does once it runs, and the files that an interpreter opens by path (name them in `files`:
 * they are compared before the start and looked at again after it, and may still be rewritten before the interpreter
 * comes to read them).
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Digests } from "../platform/digests.ts";
import { monotonicMs } from "../platform/monotonic.ts";
import type { Platform } from "../platform/platform.ts";
import { Child } from "./child.ts";
import { type CommandImages, openImages } from "./command/images.ts";
import { assertUnchanged, describeCommand, type VerifiedFiles, verifyPins } from "./command/measure.ts";
import type { OpenedFile } from "./command/opened-file.ts";
import type { LaunchedUpstream, LaunchOptions } from "./launch-options.ts";
import { ProcessGroup } from "./process-group.ts";
import { spawnChild, type Spawned } from "./spawn.ts";
import type { MeasuredCommand } from "./upstream.ts";

/** A process that is held in the kernel dies late. Then it has had its signal, and nobody waits for ever. */
const LAST_OF_GROUP_MS = 2000;
const LOOK_EVERY_MS = 2;

export interface LaunchDependencies {
  readonly platform: Platform;
  readonly digests: Digests;
}

/**
 * Starts an MCP server.
 *
 * When this returns, the image that runs has been compared with the files that were opened, and not a byte was sent.
 * An upstream that exits at once was launched all the same: its `exited` says how it ended.
 *
 * @throws {GuardError} `ERR_UPSTREAM_LAUNCH` when the command cannot be found or started, a digest is not the policy's,
 *   or something else runs than what was measured; then nothing is left running.
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` where there are no socket pairs.
 */
export async function launchUpstream(
  options: LaunchOptions,
  { platform, digests }: LaunchDependencies,
): Promise<LaunchedUpstream> {
  const name = options.command[0] ?? "";
  const images = openImages(name, options.cwd, options.env.PATH);
  let verified: VerifiedFiles | undefined;
  try {
    // Nothing to wait for without pins: then the child is starting before the first digest is.
    if (isPinned(options)) verified = await verify(name, images, options, digests);
    const spawned = await spawnChild(platform, images, spawnOptions(options));
    await assertMeasured(name, images, {
      spawned,
      verified,
      byDescriptor: runsByDescriptor(options),
      platform,
    });
    return adopt(spawned, options, platform, (isAlive) => {
      const isRunning = (file: OpenedFile) => isAlive() && image(spawned.pid, file) === "same";
      return describeCommand(images, isRunning, digests);
    });
  } catch (error) {
    images.close();
    throw error;
  } finally {
    verified?.close();
  }
}

function adopt(
  spawned: Spawned,
  options: LaunchOptions,
  platform: Platform,
  measure: (isAlive: () => boolean) => Promise<MeasuredCommand>,
): Child {
  try {
    return new Child(spawned, options, platform, measure);
  } catch (error) {
    // Out of descriptors, most likely. Its streams may be half made, so their numbers are left alone.
    new ProcessGroup(spawned.pid).signal("SIGKILL");
    void spawned.watchdog?.dismiss();
    throw error;
  }
}

function isPinned({ executableDigests, files = {} }: LaunchOptions): boolean {
  return executableDigests !== undefined || Object.keys(files).length > 0;
}

function verify(name: string, images: CommandImages, options: LaunchOptions, digests: Digests) {
  const pins = { executableDigests: options.executableDigests, files: options.files ?? {} };
  return verifyPins(name, images, pins, options.cwd, digests);
}

function runsByDescriptor(options: LaunchOptions): boolean {
  return options.executableDigests !== undefined;
}

function spawnOptions(options: LaunchOptions) {
  const { command, cwd, env, stdio, leftOnKill } = options;
  const ownStderr = options.stderr.prefix !== undefined;
  return { command, cwd, env, stdio, ownStderr, leftOnKill, byDescriptor: runsByDescriptor(options) };
}

interface Start {
  readonly spawned: Spawned;
  readonly verified: VerifiedFiles | undefined;
  readonly byDescriptor: boolean;
  readonly platform: Platform;
}

/**
 * Looks at what runs, before a byte is sent.
 *
 * - Started by descriptor, the image at the start was the measured one: there was no name to look up.
 * - Started by path, the file may have been replaced between our open and the exec: then /proc/<pid>/exe is another
 *   inode. But `env`, `uvx` or a wrapper's `exec` become another program within a millisecond, legitimately. The two
 *   are told apart by the paths: if each still leads to the file that was opened, and none was written to, it was not
 *   replaced. Somebody who swaps it there and back again in that moment gets his program started, and could as well
 *   have put it there before: nobody pinned it. The evidence is then `heuristic`.
 * - Pinned files must be what they were when they were compared, the ones an interpreter reads by path included.
 *
 * The pid is not reaped before the event loop turns, so /proc/<pid> is the child's.
 */
async function assertMeasured(name: string, images: CommandImages, start: Start): Promise<void> {
  try {
    start.verified?.assertUnchanged();
    if (start.byDescriptor) return;
    const files = [images.file, ...images.interpreters];
    const seen = files.map((file) => image(start.spawned.pid, file));
    if (seen.includes("same") || seen.includes("unseen")) return;
    assertUnchanged(name, files);
  } catch (error) {
    await abandon(start);
    throw error;
  }
}

/**
 * Whether the child's image is this file's inode. `unseen`: it exited already, or it is a program that even its own
 * user may not look at (setuid, or execute-only).
 */
function image(pid: number, file: OpenedFile): "same" | "other" | "unseen" {
  try {
    return file.isAt(`/proc/${pid}/exe`) ? "same" : "other";
  } catch {
    // ENOENT of a zombie, EACCES: nothing was seen, and nobody calls that a match.
    return "unseen";
  }
}

async function abandon({ spawned, platform }: Start): Promise<void> {
  const exited = new Promise((resolve) => spawned.process.once("exit", resolve));
  const group = new ProcessGroup(spawned.pid);
  group.signal("SIGKILL");
  for (const fd of [spawned.input, spawned.output, spawned.stderr]) {
    if (fd !== undefined) platform.closeDescriptor(fd);
  }
  await exited;
  group.markLeaderReaped();
  await emptied(group);
  await spawned.watchdog?.dismiss();
}

/** What it had forked dies of the same signal, and perhaps a moment later: nothing of it may outlive the refusal. */
async function emptied(group: ProcessGroup): Promise<void> {
  const until = monotonicMs() + LAST_OF_GROUP_MS;
  while (!group.isEmpty() && monotonicMs() < until) await delay(LOOK_EVERY_MS);
}
