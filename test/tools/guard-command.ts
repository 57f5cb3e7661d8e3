import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./runtimes.ts";

/** How the guard's command line is started on this runtime: the bundle on Node, the source on Deno. */
export function guardCommand(): readonly [string, ...string[]] {
  if ("Deno" in globalThis) {
    return [process.execPath, "run", "-A", "--no-remote", "--quiet", join(ROOT, "wrappers/cli.ts")];
  }
  const bundle = join(ROOT, "dist/mcp-guard.js");
  refuseStale(bundle);
  return [process.execPath, bundle];
}

/** A test of yesterday's bundle proves nothing. The runner is started by npm after a build, so it need not look. */
function refuseStale(bundle: string): void {
  if (process.env["MCP_GUARD_TEST_RUN"] !== undefined && existsSync(bundle)) {
    return;
  }
  const built = existsSync(bundle) ? statSync(bundle).mtimeMs : 0;
  for (const folder of ["sidecar", "policy", "wrappers"]) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts") || statSync(join(ROOT, folder, name)).mtimeMs < built) continue;
      throw new Error(`dist/ is older than ${folder}/${name}: run 'npm run build'`);
    }
  }
}
