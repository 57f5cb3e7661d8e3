import { UsageError } from "./arguments.ts";

/** Reads `--var NAME=VALUE` options. @throws {UsageError} for a wrong form, or a name given twice. */
export function parseVariables(options: readonly string[]): Record<string, string> {
  const variables: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const option of options) {
    const match = /^([A-Z][A-Z0-9_]*)=(.*)$/s.exec(option);
    const [, name, value] = match ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`--var takes NAME=VALUE, NAME in capitals, not '${option}'`);
    }
    if (Object.hasOwn(variables, name)) throw new UsageError(`--var gives '${name}' twice`);
    variables[name] = value;
  }
  return variables;
}
