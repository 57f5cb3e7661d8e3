/** The values of `server.env.secrets`: read from files, handed to the server's environment, and told to nobody else. */
import { Buffer } from "node:buffer";
import { GuardError } from "../model/errors.ts";
import { readSafely } from "./safe-file.ts";

/**
 * Reads each file whole, without the newline at its end.
 *
 * @param files Names of variables to absolute paths.
 * @throws {GuardError} `ERR_POLICY_UNSAFE` where somebody else could have written a file; `ERR_CONFIG_INVALID` for one that
 * is not there, is empty, or holds what no variable can. Messages name the file, and say nothing of what is in it.
 */
export function readSecretFiles(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, path] of Object.entries(files)) values[name] = read(name, path);
  return values;
}

function read(name: string, path: string): string {
  const bytes = readSafely(path, "secret");
  const text = bytes.toString("utf8");
  const refuse = (why: string) =>
    new GuardError("ERR_CONFIG_INVALID", `Cannot set '${name}' from '${path}': ${why}`);
  // A byte that is replaced would make another secret of it.
  if (!Buffer.from(text, "utf8").equals(bytes)) throw refuse("it is not UTF-8");
  if (text.includes("\0")) throw refuse("it holds a NUL");
  const value = text.replace(/\r?\n$/, "");
  if (value === "") throw refuse("it is empty");
  return value;
}
