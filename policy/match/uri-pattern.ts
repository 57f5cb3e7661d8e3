import type { PolicyContext } from "../policy.ts";
import { compileGlob, fixedLength, literal, overlaps, type TextTest } from "./glob.ts";
import { parseGlob, type Token } from "./glob-parse.ts";
import { type Folder, isInside, normalise, openFolder } from "./path.ts";
import { type ParsedUri, parseUri } from "./uri.ts";
import { type Reading, type Verdict } from "./verdict.ts";

/** One entry of `resources`. */
export interface UriPattern {
  readonly text: string;
  judge(uri: ParsedUri): Verdict;
  /** Whether some expansion of a template could match; true where that cannot be told. */
  overlaps(template: readonly Token[]): boolean;
}

/** @throws {Error} whose message says what is wrong with the pattern. */
export function compileUriPattern(text: string, reading: Reading, context: PolicyContext): UriPattern {
  if (text === "*" || text === "**") return { text, judge: () => "yes", overlaps: () => true };
  const scheme = text.slice(0, text.indexOf(":")).toLowerCase();
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(text)) throw new Error("It has '.' or '..' and can never match");
  return scheme === "file" ? compileFile(text, reading, context) : compileOther(text, reading);
}

function compileOther(text: string, reading: Reading): UriPattern {
  const mode = reading === "strict" ? "path" : "wide";
  const start = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/?#]*)?/.exec(text)?.[0] ?? "";
  const canonicalText = start.toLowerCase() + text.slice(start.length);
  const canonical = parseGlob(canonicalText, { mode, percent: true });
  const testWritten = compileGlob(parseGlob(text, { mode }));
  const testCanonical = compileGlob(canonical);
  return {
    text,
    judge(uri) {
      if (uri.kind !== "other") return uri.kind === "flawed" ? "unknown" : "no";
      const asText = testWritten(uri.written);
      return asText === testCanonical(uri.canonical) ? verdict(asText) : "unknown";
    },
    overlaps: (template) => canonical.some((tokens) => overlaps(tokens, template)),
  };
}

function verdict(matched: boolean | undefined): Verdict {
  if (matched === undefined) return "unknown";
  return matched ? "yes" : "no";
}

interface FilePattern {
  readonly folder: Folder;
  readonly test: TextTest;
  /** As a URI, with the folder as it is written and as it really is. */
  readonly tokens: readonly (readonly Token[])[];
}

function compileFile(text: string, reading: Reading, context: PolicyContext): UriPattern {
  const path = /^file:(?:\/\/(?=\/)|(?!\/\/))(\/[^]*)$/i.exec(text)?.[1];
  if (path === undefined) throw new Error("It needs an absolute path: file:///folder/**");
  const alternatives = parseGlob(path, { mode: reading === "strict" ? "path" : "wide", percent: true });
  const patterns = alternatives.map((tokens) => compileFileTokens(tokens, context));
  const judge = (path: string): Verdict => {
    const real = context.realPath(normalise(path));
    if (real === undefined) return "unknown";
    let best: Verdict = "no";
    for (const pattern of patterns) {
      const one = judgeFile(normalise(path), real, pattern);
      if (one === "yes") return "yes";
      if (one === "unknown") best = "unknown";
    }
    return best;
  };
  return {
    text,
    judge: (uri) => uri.kind === "file" ? judge(uri.path) : uri.kind === "flawed" ? "unknown" : "no",
    overlaps: (template) => patterns.some((one) => one.tokens.some((tokens) => overlaps(tokens, template))),
  };
}

/** The part without wildcards is a folder, and resolved as such; the rest is matched below it. */
function compileFileTokens(tokens: readonly Token[], context: PolicyContext): FilePattern {
  const fixed = literal(tokens.slice(0, fixedLength(tokens)));
  const whole = fixedLength(tokens) === tokens.length;
  const cut = whole ? fixed.length : fixed.lastIndexOf("/");
  const folder = openFolder(fixed.slice(0, cut) || "/", context);
  if (typeof folder === "string") throw new Error(folder);
  const rest = tokens.slice(Array.from(fixed.slice(0, cut)).length);
  const below = (start: string): Token[] => [...codePoints(start === "/" ? "" : start), ...rest];
  return {
    folder,
    test: compileGlob([below(folder.real)]),
    tokens: [folder.real, folder.written].map((start) => [...codePoints("file://"), ...below(start)]),
  };
}

function judgeFile(path: string, real: string, pattern: FilePattern): Verdict {
  const matched = pattern.test(real);
  if (matched !== true) {
    const composed = real.normalize("NFC");
    const doubtful = matched === undefined || composed !== real && pattern.test(composed) !== false;
    return doubtful ? "unknown" : "no";
  }
  // See judgeUnder: a way in from outside could be exchanged by whoever owns it.
  const { written, real: root } = pattern.folder;
  return isInside(path, written) || isInside(path, root) ? "yes" : "unknown";
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/** A template as a list shows it: what it says by itself, and a text that stands for all of its expansions. */
export interface Template {
  readonly tokens: readonly Token[];
  readonly sample: ParsedUri;
}

/** @returns undefined for what is no plain template, which is then not shown. */
export function parseTemplate(template: string): Template | undefined {
  if (template.length > 8192 || !/^[^{}]*(?:\{[^{}]+\}[^{}]*)*$/.test(template)) return undefined;
  // A private-use character: no pattern names it, so only a pattern that takes everything matches it.
  // `file://{path}` is meant to be given a path with its slash.
  const samples = ["\ue000", "/\ue000"].map((one) => parseUri(template.replace(/\{[^{}]+\}/g, one)));
  const sample = samples.find((one) => one.kind !== "flawed") ?? samples[0]!;
  const start = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/?#{]*)?/.exec(template)?.[0] ?? "";
  const parts = (start.toLowerCase() + template.slice(start.length)).split(/\{[^{}]+\}/);
  const tokens: Token[] = [];
  for (const [index, part] of parts.entries()) {
    if (index > 0) tokens.push("deep");
    const decoded = part.includes("%") ? decodeTolerant(part) : part;
    tokens.push(...codePoints(decoded));
  }
  return sample.kind === "flawed" && start !== "" ? undefined : { tokens, sample };
}

function decodeTolerant(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
