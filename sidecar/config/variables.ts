import { userInfo } from "node:os";
import { isAbsolute } from "node:path";
import { GuardError } from "../model/errors.ts";
import { realPath } from "./real-path.ts";

/**
 * The values of a policy's `$VARIABLES`: `--var`, `$HOME` and `$PROJECT`.
 *
 * Never the environment: whoever starts us writes that. `$HOME` is the user database's; `$PROJECT` is the real path of
 * the folder we were started in, unless `--var PROJECT=…` names another. Whether it may be one is for the policy to
 * say.
 *
 * @throws {GuardError} `ERR_CONFIG_INVALID` for a name or a folder that cannot be used.
 */
export function readVariables(vars: Readonly<Record<string, string>>, cwd: string): Record<string, string> {
  const variables: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(vars)) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) {
      throw invalid(`the variable '${name}' must be named in capitals, digits and '_'`);
    }
    if (name === "HOME") throw invalid("the variable 'HOME' is the user database's and cannot be given");
    variables[name] = value;
  }
  const home = homeFolder();
  if (home !== undefined) variables["HOME"] = home;
  const given = variables["PROJECT"];
  if (given !== undefined && !isAbsolute(given)) {
    throw invalid(`the variable 'PROJECT' must be an absolute path`);
  }
  const project = realPath(given ?? cwd);
  if (project === undefined) throw invalid(`the folder '${given ?? cwd}' cannot be resolved`);
  variables["PROJECT"] = project;
  return variables;
}

/**
 * The home folder that the user database gives us; the environment's HOME is whatever our starter wrote.
 *
 * @returns undefined for a uid that the user database does not know, as in many containers.
 */
export function homeFolder(): string | undefined {
  try {
    const { homedir } = userInfo();
    return isAbsolute(homedir) ? homedir : undefined;
  } catch {
    return undefined;
  }
}

function invalid(reason: string): GuardError {
  return new GuardError("ERR_CONFIG_INVALID", `Cannot read the policy: ${reason}`);
}
