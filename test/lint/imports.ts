import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ROOT } from "../tools/runtimes.ts";

export interface Import {
  /** Relative to the repository. */
  readonly file: string;
  readonly specifier: string;
  /** The file it resolves to, relative to the repository; undefined for packages and `node:` modules. */
  readonly target: string | undefined;
}

// Statically, as a type, re-exported, for effect, dynamically, and by require: lint rules see only some of them.
const FORMS: readonly RegExp[] = [
  /^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm,
  /^\s*import\s*["']([^"']+)["']/gm,
  /\b(?:import|require)\(\s*["'`]([^"'`]+)["'`]/g,
];

export function importsIn(folders: readonly string[]): Import[] {
  return folders.flatMap(sourcesIn).flatMap((file) =>
    importsOf(file, readFileSync(join(ROOT, file), "utf8"))
  );
}

export function importsOf(file: string, text: string): Import[] {
  const code = text.replace(/^\s*(\/\/|\/?\*).*$/gm, ""); // examples in comments import too
  return FORMS.flatMap((form) => [...code.matchAll(form)]).map((match) => {
    const specifier = match[1] ?? "";
    const target = specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : undefined;
    return { file, specifier, target };
  });
}

export function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : sourcesIn(path);
    return /\.[cm]?[jt]s$/.test(entry.name) ? [path] : [];
  });
}
