// Bundles the command line tool: one small entry, and chunks that are loaded when first needed (YAML, RE2, commands).
// koffi stays external: it brings a native library per platform.
//
// In two steps, since esbuild splits only ES modules and node starts CommonJS about 10 ms sooner: split first, then turn
// each chunk into CommonJS by itself. A client waits for every one of these milliseconds.
import { build } from "esbuild";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");
const MODULE_URL = 'const __import_meta_url=require("node:url").pathToFileURL(__filename).href;';
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

const split = await build({
  entryPoints: { "mcp-guard": "wrappers/cli.ts" },
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["koffi", "@koromix/*"],
  // The same library as ES modules, of which only the parser is taken.
  alias: { yaml: join(root, "node_modules/yaml/browser/dist/index.js") },
  define: { __MCP_GUARD_VERSION__: JSON.stringify(version) },
  legalComments: "none",
  chunkNames: "chunks/[name]-[hash]",
  absWorkingDir: root,
  write: false,
});

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, "chunks"), { recursive: true });
await writeFile(join(dist, "package.json"), `${JSON.stringify({ type: "commonjs" })}\n`);
await Promise.all(split.outputFiles.map(async ({ path, text }) => {
  await build({
    stdin: { contents: text, resolveDir: dirname(path), loader: "js" },
    outfile: path,
    format: "cjs",
    platform: "node",
    target: "node20.19",
    minify: true,
    // `import()` of a chunk becomes `require`, which costs no turn of the event loop.
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "__import_meta_url" },
    banner: { js: text.includes("import.meta.url") ? MODULE_URL : "" },
    legalComments: "none",
  });
}));
// What is bundled comes with its licence.
const licences = await Promise.all(
  [["yaml", "LICENSE"], ["re2js", "LICENSE"], ["jose", "LICENSE.md"]].map(async ([name, file]) => {
    const licence = await readFile(join(root, "node_modules", name, file), "utf8");
    return `${name}\n\n${licence.trim()}\n`;
  }),
);
await writeFile(join(dist, "THIRD-PARTY-LICENSES.txt"), licences.join("\n---\n\n"));
await chmod(join(dist, "mcp-guard.js"), 0o755);
