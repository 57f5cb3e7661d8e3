/** What a sub-command of `mcp-guard` is. One file each in `commands/`, loaded when it is called. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help page: usage, options, examples, exit codes. */
  readonly help: string;
  /**
   * @param args What follows the command's name.
   * @returns The exit code: 0 fine, 1 the answer is no, 2 wrong usage.
   */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

/** Where a command speaks. Only `out` is for machines. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Colours for `out`: only on a terminal, and never with NO_COLOR. */
  readonly style: Style;
}

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}
