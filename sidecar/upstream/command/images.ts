/**
 * Which files the kernel will run for a command: the file itself and, where it is a script, its interpreters.
 *
 * All are held open until {@linkcode CommandImages.close}, so that what is measured is what was found.
 */
import { basename } from "node:path";
import { messageOf } from "../../model/errors.ts";
import { OpenedFile } from "./opened-file.ts";
import { cannotStart, inFolder, resolveCommand } from "./resolve.ts";
import { parseShebang, programOfEnv, type Shebang } from "./shebang.ts";

export interface CommandImages {
  /** What the command resolved to. */
  readonly file: OpenedFile;
  /** Its `#!` line, where it has one. */
  readonly shebang: Shebang | undefined;
  /** In the order they take over: `/usr/bin/env`, then `node`. Empty for an executable of the machine's own format. */
  readonly interpreters: readonly OpenedFile[];
  close(): void;
}

/** As many as the kernel follows before it says ELOOP (Linux fs/exec.c). */
const MAX_INTERPRETERS = 5;
const ELF = [0x7f, 0x45, 0x4c, 0x46];

/** @throws {GuardError} `ERR_UPSTREAM_LAUNCH` */
export function openImages(command: string, cwd: string, path: string | undefined): CommandImages {
  const files: OpenedFile[] = [];
  const close = () => files.forEach((file) => file.close());
  try {
    const shebang = follow(command, resolveCommand(command, cwd, path), { cwd, path, files });
    return { file: files[0]!, shebang, interpreters: files.slice(1), close };
  } catch (error) {
    close();
    throw error;
  }
}

interface Search {
  readonly cwd: string;
  readonly path: string | undefined;
  readonly files: OpenedFile[];
}

function follow(command: string, found: string, search: Search): Shebang | undefined {
  if (search.files.length > MAX_INTERPRETERS) throw cannotStart(command, "too many interpreters in a row");
  const file = new OpenedFile(command, found);
  search.files.push(file);
  const shebang = readShebang(command, file);
  if (shebang === undefined) return undefined;
  // The kernel opens it by this very path, relative to the working folder.
  const interpreter = inFolder(search.cwd, shebang.interpreter);
  follow(command, resolveInterpreter(command, interpreter, search), search);
  if (basename(interpreter) === "env") {
    const program = tell(command, file, () => programOfEnv(shebang.argument));
    follow(command, resolveInterpreter(command, program, search), search);
  }
  return shebang;
}

/**
 * @returns Undefined for ELF, and for what cannot be read: a script could not be read by its interpreter either.
 * @throws {GuardError} for every other content. Given such a file execvp(3) starts /bin/sh, and "no shell" is a promise.
 */
function readShebang(command: string, file: OpenedFile): Shebang | undefined {
  const head = file.head();
  if (head === undefined || ELF.every((byte, index) => head[index] === byte)) return undefined;
  if (head[0] !== 0x23 || head[1] !== 0x21) {
    throw cannotStart(command, `'${file.path}' is neither an executable nor a script with a #! line`);
  }
  return tell(command, file, () => parseShebang(head));
}

function resolveInterpreter(command: string, program: string, { cwd, path }: Search): string {
  try {
    return resolveCommand(program, cwd, path);
  } catch (error) {
    throw cannotStart(command, `its interpreter is missing. ${messageOf(error)}`, error);
  }
}

function tell<T>(command: string, file: OpenedFile, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw cannotStart(command, `${messageOf(error)} ('${file.path}')`, error);
  }
}
