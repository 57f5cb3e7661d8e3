/**
 * The first line of a script, read as the kernel reads it (Linux fs/binfmt_script.c; execve(2), "Interpreter scripts"),
 * and what `env` makes of it. Pure: bytes in, names out. Whatever cannot be told with certainty is an error, since the
 * caller would otherwise name a program that does not run.
 */

/** BINPRM_BUF_SIZE: the kernel looks no further. */
export const FIRST_BYTES = 256;

export interface Shebang {
  readonly interpreter: string;
  /** All that follows, as one word: the kernel does not split it. */
  readonly argument: string | undefined;
}

/** @throws {SyntaxError} when the line names no interpreter that the kernel would take. */
export function parseShebang(head: Uint8Array): Shebang {
  const text = Buffer.from(head.subarray(0, FIRST_BYTES)).toString("latin1");
  const end = text.indexOf("\n");
  const line = text.slice(2, end < 0 ? undefined : end);
  const match = /^[ \t]*([^ \t\0]+)([ \t]+[^\0]*)?$/.exec(line);
  if (match === null) throw new SyntaxError("its first line names no interpreter");
  // Cut off in the middle of a name the kernel refuses too (ENOEXEC): it could be the name of something else.
  if (end < 0 && head.length >= FIRST_BYTES && match[2] === undefined) {
    throw new SyntaxError("its first line is too long");
  }
  const argument = match[2]?.replace(/^[ \t]+|[ \t]+$/g, "");
  return { interpreter: utf8(match[1]!), argument: argument ? utf8(argument) : undefined };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

/**
 * The program that `env` starts when it is a script's interpreter.
 *
 * Understood are a bare name, and `-S` with assignments before the name. Options, quotes, escapes and a new PATH are
 * not: with them the program depends on more than this line.
 *
 * @throws {SyntaxError} when it cannot be told.
 */
export function programOfEnv(argument: string | undefined): string {
  const split = /^(?:-S|--split-string=)[ \t]*(.*)$/s.exec(argument ?? "");
  const words = split === null ? [argument ?? "-"] : wordsOf(split[1]!);
  const program = words.find((word) => !/^[^=]+=/.test(word));
  if (program === undefined || program.startsWith("-") || words.some((word) => word.startsWith("PATH="))) {
    throw new SyntaxError(`cannot tell what its first line starts: 'env ${argument ?? ""}'`);
  }
  return program;
}

function wordsOf(text: string): string[] {
  // Quotes, escapes and variables; `#` begins a comment.
  return /["'\\$#]/.test(text) ? ["-"] : text.split(/[ \t]+/).filter((word) => word !== "");
}
