/**
 * Paths as servers may read them, and what is inside a folder.
 *
 * Trusts `realPath` of the context. Defends against every spelling that some server reads differently than we do. It
 * is a check, not a lock: whoever can write inside the folder can exchange a symlink between our look and the
 * server's.
 */
import type { PolicyContext } from "../policy.ts";
import { compileGlob, type TextTest } from "./glob.ts";
import { parseGlob } from "./glob-parse.ts";
import { isWellFormed, type Verdict } from "./verdict.ts";

/** Linux' PATH_MAX; longer ones no system call takes. */
const MAX_LENGTH = 4096;

const FLAWS: readonly (readonly [RegExp, string])[] = [
  [/[\p{Cc}\p{Zl}\p{Zp}]/u, "it has a control character"],
  [/^\s|\s$/u, "it begins or ends with a blank"],
  [/^["'`]|["'`]$/, "it begins or ends with a quote"],
  [/^~/, "it begins with '~', which some servers expand"],
  [/\\/, "it has a backslash, which is a separator to some"],
  [/%[0-9a-f]{2}/i, "it has an encoded character, which some servers decode"],
  [/(?:^|\/)\.\.(?:\/|$)/, "it has '..'"],
];

/** Why a text is not one path to everybody; undefined when it is. */
export function flawOfPath(text: string, relative: boolean): string | undefined {
  if (text === "") return "it is empty";
  if (text.length > MAX_LENGTH) return "it is too long for a path";
  if (!isWellFormed(text)) return "it is not well-formed Unicode";
  for (const [pattern, flaw] of FLAWS) if (pattern.test(text)) return flaw;
  if (text.startsWith("/")) return undefined;
  if (!relative) return "it is not absolute";
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)) return "it begins like a URL or a drive";
  return text.startsWith("-") ? "it begins like an option" : undefined;
}

/** Collapses `//`, `/./` and a trailing `/` of an absolute path without `..`. */
export function normalise(path: string): string {
  if (!/\/(?:\.?\/|\.?$)/.test(path)) return path;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}

export function isInside(path: string, folder: string): boolean {
  if (folder === "/") return path.startsWith("/");
  return path.startsWith(folder) && (path.length === folder.length || path[folder.length] === "/");
}

/** A folder of the policy: as it is written there, and where it really is. */
export interface Folder {
  readonly written: string;
  readonly real: string;
}

/** @returns the folder, or why there is none. */
export function openFolder(path: string, context: PolicyContext): Folder | string {
  const flaw = flawOfPath(path, false);
  if (flaw !== undefined) return `The folder cannot be used: ${flaw}`;
  const written = normalise(path);
  const real = context.realPath(written);
  return real === undefined ? "The folder cannot be resolved" : { written, real };
}

export interface Under {
  readonly folder: Folder;
  readonly except: readonly TextTest[];
  /** The folder relative paths start from; undefined refuses them. */
  readonly relativeTo: string | undefined;
  readonly realPath: PolicyContext["realPath"];
}

export function judgeUnder(text: string, under: Under): Verdict {
  if (flawOfPath(text, under.relativeTo !== undefined) !== undefined) return "unknown";
  const path = normalise(text.startsWith("/") ? text : `${under.relativeTo}/${text}`);
  const real = under.realPath(path);
  if (real === undefined) return "unknown";
  const { folder } = under;
  if (!isInside(real, folder.real)) {
    // Inside but for Unicode's spelling: another folder on Linux, the same one on other file systems.
    return isInside(real.normalize("NFC"), folder.real.normalize("NFC")) ? "unknown" : "no";
  }
  if (isExcepted(real, folder.real, under.except)) return "no";
  // It leads inside through a symlink from outside: then whoever owns that symlink could exchange it.
  return isInside(path, folder.written) || isInside(path, folder.real) ? "yes" : "unknown";
}

/** Exceptions are judged on the resolved path and take everything below what they match with them. */
function isExcepted(real: string, root: string, except: readonly TextTest[]): boolean {
  if (except.length === 0) return false;
  const composed = real.normalize("NFC");
  for (const spelling of composed === real ? [real] : [real, composed]) {
    for (let end = spelling.length; end > 0; end = spelling.lastIndexOf("/", end - 1)) {
      const path = spelling.slice(0, end);
      // `undefined` (too long to be judged) counts as excepted.
      if (except.some((test) => test(path) !== false)) return true;
      if (path === root) break;
    }
  }
  return false;
}

/** @throws {GlobError} for a pattern that is not well-formed. */
export function compileException(pattern: string): TextTest {
  return compileGlob(parseGlob(pattern, { mode: "path" }));
}
