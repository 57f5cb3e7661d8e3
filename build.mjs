// Bundles the command line tool: one small entry, and chunks that are loaded when first needed (YAML, RE2, commands).
// koffi stays external: it brings a native library per platform.
import { build } from "esbuild";
import { chmod, readFile, rm } from "node:fs/promises";

const { version } = JSON.parse(await readFile(new URL("./package.json", import.meta.url), "utf8"));
await rm(new URL("./dist", import.meta.url), { recursive: true, force: true });
await build({
  entryPoints: { "mcp-guard": "wrappers/cli.ts" },
  outdir: "dist",
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["koffi", "@koromix/*"],
  define: { __MCP_GUARD_VERSION__: JSON.stringify(version) },
  legalComments: "linked",
  banner: {
    js:
      'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  },
  chunkNames: "chunks/[name]-[hash]",
  absWorkingDir: new URL(".", import.meta.url).pathname,
});
await chmod(new URL("./dist/mcp-guard.js", import.meta.url), 0o755);
