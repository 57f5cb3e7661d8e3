/**
 * Which folder may import which, written out: the lint configuration and the source tree are both held to it.
 * A folder that is not here may import nothing, so a new one fails the test until it stands here.
 */
export interface Layer {
  /** Folders or single files it may import from, besides itself. */
  readonly imports: readonly string[];
  /** Whether it may use `node:` modules. */
  readonly runtime: boolean;
}

const low = ["policy", "sidecar/model"];
const middle = [...low, "sidecar/platform", "sidecar/protocol"];
const siblings = ["attest", "upstream", "relay", "tokens", "approvals", "pins", "audit", "config"]
  .map((it) => `sidecar/${it}`);
const outside = ["sidecar/mod.ts", "policy/mod.ts"];

/** `sidecar` stands for the files right in it: the composition root, and what embedders see. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  "policy": { imports: [], runtime: false },
  "sidecar/model": { imports: ["policy"], runtime: false },
  "sidecar/platform": { imports: low, runtime: true },
  "sidecar/protocol": { imports: low, runtime: true },
  ...Object.fromEntries(siblings.map((name) => [name, { imports: middle, runtime: true }])),
  "sidecar/gate": { imports: [...middle, ...siblings], runtime: true },
  "sidecar/front": { imports: [...middle, ...siblings, "sidecar/gate"], runtime: true },
  "sidecar": { imports: [...middle, ...siblings, "sidecar/gate", "sidecar/front"], runtime: true },
  // `run` and `connect`, for which a client waits, take what they need: mod.ts loads all that the other commands need.
  "wrappers": { imports: [...outside, "sidecar/sidecar.ts", "sidecar/connect.ts"], runtime: true },
  "examples": { imports: outside, runtime: true },
};

/** Where each npm package may be loaded: in these folders or files, and nowhere else. */
export const CAGES: Readonly<Record<string, readonly string[]>> = {
  "koffi": ["sidecar/platform"],
  "@koromix": ["sidecar/platform"],
  "yaml": ["policy/parse.ts"],
  "re2js": ["policy"],
  "@marcbachmann/cel-js": ["policy"],
  "jose": ["sidecar/tokens"],
  "hono": ["sidecar/front/http"],
  "@hono/node-server": ["sidecar/front/http"],
  "@modelcontextprotocol/client": ["examples"],
  "@modelcontextprotocol/sdk": ["examples"],
};

/** The entry of LAYERS that a file of the repository belongs to. */
export function layerOf(path: string): string | undefined {
  if (/^sidecar\/[^/]+$/.test(path)) return "sidecar";
  return Object.keys(LAYERS).find((layer) => layer !== "sidecar" && isWithin(path, layer));
}

/**
 * Whether a file may import what a specifier names.
 *
 * @param target The file it resolves to, relative to the repository; undefined for packages and `node:` modules.
 */
export function mayImport(file: string, specifier: string, target: string | undefined): boolean {
  const name = layerOf(file);
  const layer = name === undefined ? undefined : LAYERS[name];
  if (layer === undefined) return false;
  if (specifier.startsWith("node:")) return layer.runtime;
  if (target === undefined) {
    const cage = Object.entries(CAGES).find(([name]) => isWithin(specifier, name))?.[1] ?? [];
    return cage.some((it) => isWithin(file, it));
  }
  return layer.imports.includes(target) || [name, ...layer.imports].includes(layerOf(target));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
