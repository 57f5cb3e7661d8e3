/**
 * Feeds the lint configuration what it must refuse. oxlint ignores a pattern that it does not understand (a look-ahead,
 * for one) without a word, so each rule is seen to fire, and each layer is held to the table in layers.ts.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withTempDir } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { CAGES, LAYERS, mayImport } from "./layers.ts";

interface Finding {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** Lints these files as if they were the repository. */
function lint(files: Readonly<Record<string, string>>): Promise<Finding[]> {
  return withTempDir((folder) => {
    for (const name of [".oxlintrc.json", "tsconfig.json"]) {
      copyFileSync(join(ROOT, name), join(folder, name));
    }
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const oxlint = createRequire(import.meta.url).resolve("oxlint/package.json");
    // Node, also on Deno: what is tried is the configuration, as `npm run ok` uses it.
    const node = "Deno" in globalThis ? "node" : process.execPath;
    const args = [join(dirname(oxlint), "bin/oxlint"), "--format=json", ...Object.keys(files)];
    const { stdout, stderr } = spawnSync(node, args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26 });
    if (!stdout.startsWith("{")) throw new Error(`oxlint did not run: ${stdout}${stderr}`);
    return (JSON.parse(stdout) as { diagnostics: Finding[] }).diagnostics;
  });
}

const rules = suite("lint rules");
const BAD: readonly [rule: string, text: string][] = [
  ["typescript(no-floating-promises)", "const f = async () => {};\nexport const g = () => {\n  f();\n};\n"],
  ["typescript(no-misused-promises)", "const f = async () => {};\nexport const g = () => [1].forEach(f);\n"],
  ["typescript(only-throw-error)", "export const f = () => {\n  throw 'text';\n};\n"],
  ["typescript(prefer-promise-reject-errors)", "export const f = () => Promise.reject('text');\n"],
  [
    "typescript(switch-exhaustiveness-check)",
    "export const f = (x: 'a' | 'b') => {\n  switch (x) {\n    case 'a':\n      return 1;\n  }\n  return 2;\n};\n",
  ],
  ["typescript(no-explicit-any)", "export const f = (x: any) => x;\n"],
  ["typescript(consistent-type-imports)", 'import { Layer } from "./layer.ts";\nexport type A = Layer;\n'],
  ["eslint(no-eval)", "export const f = (x: string) => eval(x);\n"],
  ["eslint(eqeqeq)", "export const f = (x: string) => x == 'a';\n"],
];
for (const [rule, text] of BAD) {
  rules(`${rule} fires, in the sources and in tests`, async () => {
    const found = await lint({ "sidecar/gate/bad.ts": text, "test/gate/bad.ts": text });
    const files = found.filter((it) => it.code === rule).map((it) => it.filename).sort();
    assert.equal(files, ["sidecar/gate/bad.ts", "test/gate/bad.ts"]);
  });
}

rules("import(no-cycle) fires", async () => {
  const found = await lint({
    "sidecar/gate/a.ts": 'import { b } from "./b.ts";\nexport const a = (): number => b();\n',
    "sidecar/gate/b.ts": 'import { a } from "./a.ts";\nexport const b = (): number => a();\n',
  });
  assert.equal(found.map((it) => it.code), ["import(no-cycle)", "import(no-cycle)"]);
});

rules("eslint(no-console) fires in the sources: stdout belongs to the protocol", async () => {
  const found = await lint({
    "sidecar/gate/bad.ts": "console.log(1);\n",
    "test/gate/good.ts": "console.log(1);\n",
  });
  assert.equal(found.map((it) => [it.code, it.filename]), [["eslint(no-console)", "sidecar/gate/bad.ts"]]);
});

rules("good code has no findings", async () => {
  const text = "export async function f(): Promise<void> {\n  await Promise.resolve();\n}\n";
  assert.equal(await lint({ "sidecar/gate/good.ts": text }), []);
});
rules.run();

const layers = suite("lint layers");
const PACKAGES = [
  ...Object.keys(CAGES).map((it) => it === "@koromix" ? "@koromix/koffi" : it),
  "left-pad",
  "fs",
];
const TARGETS = [
  ...Object.keys(LAYERS).filter((it) => it !== "sidecar").map((it) => `${it}/other.ts`),
  "sidecar/sidecar.ts",
  "sidecar/mod.ts",
  "policy/mod.ts",
  "test/harness.ts",
];
const FILES = [
  ...Object.keys(LAYERS).flatMap((it) => [`${it}/a.ts`, `${it}/deeper/a.ts`]),
  "policy/parse.ts",
  "sidecar/front/http/a.ts",
  // A new folder in sidecar/ belongs to no layer: the pin in test/pins/layers.test.ts tells of it, lint cannot.
].filter((it) => it !== "sidecar/deeper/a.ts");

/** Every file imports everything there is, one import per line. */
const everything = new Map(FILES.map((file) => [file, [
  ...TARGETS.map((target) => {
    const path = relative(dirname(file), target);
    return { specifier: path.startsWith(".") ? path : `./${path}`, target };
  }),
  ...[...PACKAGES, "node:fs", "node:fs/promises"].map((specifier) => ({ specifier, target: undefined })),
]]));
const textOf = (imports: readonly { readonly specifier: string }[]) =>
  imports.map(({ specifier }) => `import "${specifier}";\n`).join("");
const found = await lint(
  Object.fromEntries([...everything].map(([file, imports]) => [file, textOf(imports)])),
);

for (const [file, imports] of everything) {
  layers(`${file}: exactly what the table forbids is refused`, () => {
    const lines = found
      .filter((it) => it.filename === file && it.code === "eslint(no-restricted-imports)")
      .map((it) => imports[(it.labels[0]?.span.line ?? 0) - 1]?.specifier ?? "?");
    const forbidden = imports.filter((it) => !mayImport(file, it.specifier, it.target)).map((it) =>
      it.specifier
    );
    assert.equal([...new Set(lines)].sort(), forbidden.sort());
    assert.ok(forbidden.includes("left-pad"));
  });
}
layers.run();
