/**
 * Starting the child's process: no shell, an environment and a folder that were stated, a session and group of its own,
 * and stdin and stdout that no other process can open.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import type { Platform } from "../platform/platform.ts";
import type { CommandImages } from "./command/images.ts";
import { cannotStart, inFolder } from "./command/resolve.ts";
import { startWatchdog, type Watchdog } from "./watchdog.ts";

export interface SpawnOptions {
  /** The command's own words; the file that runs is `images`'. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: "socket" | "pipe";
  /** Whether our end of its stderr is wanted; otherwise it writes to ours directly. */
  readonly ownStderr: boolean;
  /**
   * Run the descriptor that is held open instead of the path: then no swap of the file can matter. Only where the
   * policy names the digest, because `ps -o comm` shows the descriptor's number as the program's name.
   */
  readonly byDescriptor: boolean;
  /** A file of the guard's that goes with it, should it be killed. @default {none} */
  readonly leftOnKill?: string | undefined;
}

/** The child and our ends of its descriptors. */
export interface Spawned {
  readonly process: ChildProcess;
  /** Set before anything else is done: the guard may be killed at any moment. Undefined where there is no /bin/sh. */
  readonly watchdog: Watchdog | undefined;
  readonly pid: number;
  readonly input: number;
  readonly output: number;
  readonly stderr: number | undefined;
}

/**
 * Returns after the kernel has replaced the child's image: both runtimes wait for the exec to succeed or fail.
 *
 * stdin and stdout are two socket pairs, not one: a single one would share O_NONBLOCK between the child's reads and
 * writes. stderr is a pipe: `echo >/dev/stderr` in a script opens it by path, which a socket refuses.
 *
 * On Deno the child also has copies of its own ends under other numbers, without close-on-exec: its stdout ends only
 * when it exits, not when it closes descriptor 1.
 *
 * @throws {GuardError} `ERR_UPSTREAM_LAUNCH`
 */
export async function spawnChild(
  platform: Platform,
  images: CommandImages,
  options: SpawnOptions,
): Promise<Spawned> {
  const name = options.command[0]!;
  assertFolder(name, options.cwd);
  const ends = openEnds(platform, options);
  try {
    const child = start(images, options, ends.theirs);
    if (child.pid === undefined) throw await failureOf(child);
    const watchdog = startWatchdog(child.pid, platform, options.leftOnKill);
    return { process: child, pid: child.pid, watchdog, ...ends.ours };
  } catch (error) {
    for (const fd of Object.values(ends.ours)) if (fd !== undefined) platform.closeDescriptor(fd);
    throw cannotStart(name, error instanceof Error ? error.message : String(error), error);
  } finally {
    // Only the child may hold them, or its exit would not end our reading.
    for (const fd of ends.theirs) if (fd !== undefined) platform.closeDescriptor(fd);
  }
}

function start(images: CommandImages, options: SpawnOptions, theirs: Ends["theirs"]): ChildProcess {
  const { file, argv0, args } = options.byDescriptor
    ? byDescriptor(images, options)
    : { file: images.file.path, argv0: options.command[0]!, args: options.command.slice(1) };
  const child = spawn(file, args, {
    argv0,
    cwd: options.cwd,
    env: { ...options.env },
    stdio: [theirs[0], theirs[1], theirs[2] ?? "inherit"],
    detached: true,
    shell: false,
  });
  // Signals go through the group. This listener only keeps an error of the runtime's from ending the guard.
  return child.on("error", () => {});
}

/**
 * /proc/self/fd/<n> leads the kernel to the open file itself, in the child too, until the exec closes the descriptor.
 * A script is run as the kernel would run it, through the descriptor of its interpreter (execve(2)); the interpreter
 * opens the script by its path in either case.
 */
function byDescriptor(images: CommandImages, options: SpawnOptions) {
  const [name, ...rest] = options.command;
  const { shebang } = images;
  const image = images.interpreters[0] ?? images.file;
  const file = image.fd === undefined ? image.path : `/proc/self/fd/${image.fd}`;
  if (shebang === undefined) return { file, argv0: name!, args: rest };
  const argument = shebang.argument === undefined ? [] : [shebang.argument];
  return { file, argv0: shebang.interpreter, args: [...argument, images.file.path, ...rest] };
}

interface Ends {
  readonly ours: Pick<Spawned, "input" | "output" | "stderr">;
  readonly theirs: readonly [number, number, number | undefined];
}

function openEnds(platform: Platform, options: SpawnOptions): Ends {
  const opened: number[] = [];
  const keep = (pair: readonly [number, number]) => (opened.push(...pair), pair);
  try {
    const pipes = options.stdio === "pipe";
    const [theirInput, input] = keep(pipes ? platform.pipe() : platform.socketPair());
    const [output, theirOutput] = keep(pipes ? platform.pipe() : platform.socketPair());
    const [stderr, theirStderr] = options.ownStderr ? keep(platform.pipe()) : [undefined, undefined];
    return { ours: { input, output, stderr }, theirs: [theirInput, theirOutput, theirStderr] };
  } catch (error) {
    opened.forEach((fd) => platform.closeDescriptor(fd));
    throw error;
  }
}

function assertFolder(name: string, cwd: string): void {
  const found = statSync(inFolder("/", cwd), { throwIfNoEntry: false });
  if (found?.isDirectory() !== true) throw cannotStart(name, `its working folder '${cwd}' is not a folder`);
}

function failureOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once("error", resolve));
}
