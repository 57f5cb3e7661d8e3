/**
 * Command line arguments: the one place that knows which parser we use.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Wrong use of the command line. Printed as one line; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Parses a command's arguments strictly: an unknown option is an error that names it.
 *
 * @param command For the message: `mcp-guard policy check`.
 * @throws {UsageError} with one line that says what is wrong and where help is.
 */
export function parseArguments<const T extends Options>(
  command: string,
  args: readonly string[],
  options: T,
  positionals: { readonly min: number; readonly max: number },
): {
  values: ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>>["values"];
  positionals: string[];
} {
  const help = `see '${command} --help'`;
  let parsed: ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const first = (error as Error).message.split(/[.\n]/)[0] ?? "Wrong arguments";
    throw new UsageError(`${first}; ${help}`);
  }
  const count = parsed.positionals.length;
  if (count < positionals.min) throw new UsageError(`'${command}' needs more arguments; ${help}`);
  if (count > positionals.max) {
    throw new UsageError(`'${command}' does not take '${parsed.positionals[positionals.max]}'; ${help}`);
  }
  return { values: parsed.values, positionals: parsed.positionals };
}
