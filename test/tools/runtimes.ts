import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export interface Runtime {
  /** `node`, `deno`, or a Node of another version: `node 22`. */
  readonly name: string;
  /** The command that runs one TypeScript file, with absolute paths so that it works from any folder. */
  command(file: string): readonly [string, ...string[]];
}

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url).href);
const require = createRequire(join(ROOT, "package.json"));

const onDeno = "Deno" in globalThis;
const tsx = () => pathToFileURL(require.resolve("tsx")).href;

export function nodeRuntime(name: string, binary: string): Runtime {
  return {
    name,
    command: (file) => [binary, "--trace-warnings", "--import", tsx(), file],
  };
}

export const RUNTIMES: readonly Runtime[] = [
  nodeRuntime("node", onDeno ? "node" : process.execPath),
  // --no-remote: whatever a test needs is in node_modules; nothing is fetched while it runs.
  { name: "deno", command: (file) => [denoBinary(), "run", "-A", "--no-remote", file] },
];

/**
 * Deno itself rather than npm's launcher for it, which would stand between us and the process that is to be killed.
 *
 * @throws {Error} when it is not installed: a run without Deno must not look like one on both runtimes.
 */
export function denoBinary(): string {
  const besides = join(dirname(require.resolve("deno/package.json")), "deno");
  if (existsSync(besides)) return besides; // its install script made a link there
  const scope = join(ROOT, "node_modules/@deno");
  const packages = existsSync(scope) ? readdirSync(scope) : [];
  const ours = packages.filter((it) => it.startsWith(`${process.platform}-${process.arch}`));
  const binary = ours.map((it) => join(scope, it, "deno")).find((it) => existsSync(it));
  if (binary === undefined) {
    throw new Error("Cannot find deno in node_modules: run 'npm ci'");
  }
  return binary;
}
