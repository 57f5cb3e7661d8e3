/**
 * The person at the terminal, asked past whatever our streams are connected to.
 *
 * Trusts: that whoever types at the controlling terminal is a person. Defends against: a pipe that answers, and keys
 * that were typed, or a paste that was made, before there was a question. Leaves to others: a program that makes a
 * terminal of its own and types into it, which any program of the user can.
 */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { GuardError, messageOf } from "../model/errors.ts";
import { errnoName, native } from "./native.ts";

const TCIFLUSH = process.platform === "darwin" ? 1 : 0;
/** No terminal hands over a longer line (N_TTY_BUF_SIZE). */
const MAX_LINE = 4096;

/** The terminal that this process belongs to. */
export interface ControllingTerminal {
  /** Shows a text as it is: it must have been made harmless. */
  write(text: string): void;
  /**
   * Shows a question and waits for a line, for ever. What was typed before the question stood there does not count, not
   * even where its line was not ended yet.
   *
   * @returns The line without its end; undefined when the terminal is gone or has no more to say.
   */
  ask(question: string): string | undefined;
  /** Closes it. */
  close(): void;
}

/**
 * Opens the terminal of this session, whatever our own standard streams are.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` when there is none, as for a command that an agent or a timer starts.
 */
export function openControllingTerminal(): ControllingTerminal {
  let fd: number;
  try {
    fd = openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot ask: there is no terminal (${messageOf(error)})`, {
      cause: error,
    });
  }
  const write = (text: string) => writeAll(fd, text);
  return {
    write,
    ask(question) {
      // First, so that what is slow about it (binding the calls) is over before there is anything to answer.
      dropTypedAhead();
      write(question);
      dropTypedAhead();
      return readLine(fd);
    },
    close: () => closeSync(fd),
  };
}

/**
 * tcflush(3), since reading would leave a line that was not ended: the reader would get it together with the Enter that
 * was meant as a no. The descriptor is koffi's own, as Deno's are none of the kernel's.
 */
function dropTypedAhead(): void {
  const { func, errno } = native();
  const fd = func("int open(const char *path, int flags)")(
    "/dev/tty",
    constants.O_RDWR | constants.O_NOCTTY,
  );
  const done = fd >= 0 && func("int tcflush(int fd, int queue)")(fd, TCIFLUSH) === 0;
  const reason = done ? "" : errnoName(errno());
  if (fd >= 0) func("int close(int fd)")(fd);
  if (!done) {
    throw new GuardError("ERR_CONFIG_INVALID", `Cannot ask: typed keys cannot be dropped (${reason})`);
  }
}

function readLine(fd: number): string | undefined {
  const bytes = Buffer.alloc(MAX_LINE);
  try {
    const length = readSync(fd, bytes, 0, MAX_LINE, null);
    const end = bytes.subarray(0, length).indexOf(0x0a);
    return end < 0 ? undefined : bytes.toString("utf8", 0, end);
  } catch {
    // EIO: hung up, or we run in the background of a shell that is gone. Nobody answered.
    return undefined;
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
}
