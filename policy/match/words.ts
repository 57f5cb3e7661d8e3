/** The judges of single values, one for each word of a matcher. Missing values and arrays are `matcher.ts`'s part. */
import type { PolicyContext } from "../policy.ts";
import { quote, type Report } from "../text/report.ts";
import { field, type MapNode, type Node, scalarsOf, textField, textsOf } from "../text/tree.ts";
import { compileGlob } from "./glob.ts";
import { parseGlob } from "./glob-parse.ts";
import { canonicalHost, judgeHost, judgeScheme } from "./location.ts";
import { compileException, flawOfPath, judgeUnder, openFolder, type Under } from "./path.ts";
import { BUDGET, isWellFormed, type Judge, type Reading, type Verdict } from "./verdict.ts";

/** What compiling needs from outside. */
export interface Workshop {
  readonly report: Report;
  readonly context: PolicyContext;
  /** The server's folder: where relative paths start. */
  readonly cwd: string;
  /** Loaded only for policies that have a `regex`. */
  readonly regex: ((pattern: string) => RegexProgram) | undefined;
}

/** The part of RE2JS that is used. */
export interface RegexProgram {
  test(text: string): boolean;
  testExact(text: string): boolean;
  programSize(): number;
}

export interface WordJudge {
  readonly judge: Judge;
  /** Why a value is unknown, for `policy explain`. */
  readonly why?: (value: unknown) => string | undefined;
}

/** @returns undefined when the word's value cannot be used; the reason is in the report. */
export type WordCompiler = (node: Node, reading: Reading, workshop: Workshop) => WordJudge | undefined;

/** A judge of texts: everything else is of a wrong type, and texts must be well-formed. */
function onText(test: (text: string) => Verdict): Judge {
  return (value) => typeof value === "string" && isWellFormed(value) ? test(value) : "unknown";
}

function onNumber(test: (value: number) => boolean): Judge {
  return (value) =>
    typeof value === "number" && Number.isFinite(value) ? (test(value) ? "yes" : "no") : "unknown";
}

function scalarKind(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function compileIn(node: Node): WordJudge {
  const values = new Set<unknown>(scalarsOf(node).map((item) => item.value));
  const kinds = new Set(Array.from(values, scalarKind));
  return {
    judge(value) {
      if (!kinds.has(scalarKind(value)) || typeof value === "string" && !isWellFormed(value)) {
        return "unknown";
      }
      return values.has(value) ? "yes" : "no";
    },
  };
}

const compileGlobs: WordCompiler = (node, reading, { report }) => {
  const mode = reading === "strict" ? "path" : "wide";
  const alternatives = scalarsOf(node).flatMap((item) => {
    try {
      return parseGlob(String(item.value), { mode });
    } catch (error) {
      report.error(item, `Glob ${quote(String(item.value))} cannot be read: ${(error as Error).message}`);
      return [];
    }
  });
  if (alternatives.length === 0) return undefined;
  const test = compileGlob(alternatives);
  return { judge: onText((text) => verdict(test(text))) };
};

function verdict(result: boolean | undefined): Verdict {
  if (result === undefined) return "unknown";
  return result ? "yes" : "no";
}

const compileRegex: WordCompiler = (node, reading, { report, regex }) => {
  const pattern = textsOf(node)[0] ?? "";
  try {
    const program = regex!(pattern);
    const longest = BUDGET / program.programSize();
    const matches = (text: string) => reading === "strict" ? program.testExact(text) : program.test(text);
    return { judge: onText((text) => text.length > longest ? "unknown" : verdict(matches(text))) };
  } catch (error) {
    const reason = ((error as Error).message ?? String(error)).replace(/^error parsing regexp: /, "");
    const hint = "RE2 has no look-around and no back-references";
    report.error(node, `Regular expression ${quote(pattern)} cannot be read: ${reason}`, hint);
    return undefined;
  }
};

const compileUnder: WordCompiler = (node, _reading, { report, context, cwd }) => {
  const map = node.kind === "map" ? node : undefined;
  const root = map === undefined ? textsOf(node)[0]! : textField(map, "root")!;
  const folder = openFolder(root, context);
  if (typeof folder === "string") {
    const hint = "Write an absolute path, or one that begins with $PROJECT or ~/";
    report.error(map === undefined ? node : field(map, "root")!, `${quote(root)}: ${folder}`, hint);
    return undefined;
  }
  const except = compileExceptions(map, report);
  const relativeTo = textField(map, "relative") === "ok" ? cwd : undefined;
  const under: Under = { folder, except, relativeTo, realPath: context.realPath };
  return {
    judge: (value) => typeof value === "string" ? judgeUnder(value, under) : "unknown",
    why(value) {
      if (typeof value !== "string") return undefined;
      return flawOfPath(value, relativeTo !== undefined) ?? "where it leads cannot be told for certain";
    },
  };
};

function compileExceptions(map: MapNode | undefined, report: Report) {
  return scalarsOf(field(map, "except")).flatMap((item) => {
    const pattern = String(item.value);
    if (!pattern.startsWith("/") && !pattern.startsWith("**")) {
      const hint = `Write '**/${pattern}' for anywhere, or '$PROJECT/${pattern}' for one place`;
      report.error(item, `${quote(pattern)} can never match: resolved paths begin with '/'`, hint);
      return [];
    }
    try {
      return [compileException(pattern)];
    } catch (error) {
      report.error(item, `Glob ${quote(pattern)} cannot be read: ${(error as Error).message}`);
      return [];
    }
  });
}

const bound = (test: (value: number, bound: number) => boolean): WordCompiler => (node) => {
  const limit = Number(scalarsOf(node)[0]?.value);
  return { judge: onNumber((value) => test(value, limit)) };
};

const length = (test: (length: number, bound: number) => boolean): WordCompiler => (node) => {
  const limit = Number(scalarsOf(node)[0]?.value);
  return {
    judge(value) {
      const size = Array.isArray(value)
        ? value.length
        : typeof value === "string"
        ? countCharacters(value)
        : undefined;
      return size === undefined ? "unknown" : verdict(test(size, limit));
    },
  };
};

/** Code points, as JSON Schema's maxLength counts; undefined for what is not well-formed. */
function countCharacters(text: string): number | undefined {
  if (!isWellFormed(text)) return undefined;
  let pairs = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) pairs++;
  return text.length - pairs;
}

const compileType: WordCompiler = (node) => {
  const types = new Set(textsOf(node));
  const wantsArray = types.has("array");
  return {
    judge(value) {
      // Where a text is wanted, many servers take a list of one as well.
      if (Array.isArray(value)) return wantsArray ? "yes" : "unknown";
      if (value === null) return verdict(types.has("null"));
      if (typeof value === "number") {
        return verdict(types.has("number") || types.has("integer") && Number.isInteger(value));
      }
      if (typeof value === "string") return isWellFormed(value) ? verdict(types.has("string")) : "unknown";
      if (typeof value === "boolean") return verdict(types.has("boolean"));
      return isPlainObject(value) ? verdict(types.has("object")) : "unknown";
    },
  };
};

function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const compileHost: WordCompiler = (node, _reading, { report }) => {
  const exact = new Set<string>();
  const suffixes: string[] = [];
  for (const item of scalarsOf(node)) {
    const canonical = canonicalHost(String(item.value));
    if (canonical === undefined) {
      const hint = "Write example.com, *.example.com, 127.0.0.1 or ::1, without scheme, port or path";
      report.error(item, `${quote(String(item.value))} is not a host`, hint);
    } else if (canonical.wildcard) suffixes.push(`.${canonical.host}`);
    else exact.add(canonical.host);
  }
  return { judge: onText((text) => judgeHost(text, { exact, suffixes })) };
};

const compileScheme: WordCompiler = (node) => {
  const schemes = new Set(textsOf(node).map((scheme) => scheme.toLowerCase()));
  return { judge: onText((text) => judgeScheme(text, schemes)) };
};

export type Domain = "any" | "text" | "number" | "sized";

/** Each word with the values it can say yes to. Words of different domains can never hold together. */
export const WORDS: ReadonlyMap<string, readonly [Domain, WordCompiler]> = new Map<
  string,
  [Domain, WordCompiler]
>([
  ["equals", ["any", compileIn]],
  ["in", ["any", compileIn]],
  ["glob", ["text", compileGlobs]],
  ["regex", ["text", compileRegex]],
  ["under", ["text", compileUnder]],
  ["min", ["number", bound((value, limit) => value >= limit)]],
  ["max", ["number", bound((value, limit) => value <= limit)]],
  ["min_length", ["sized", length((size, limit) => size >= limit)]],
  ["max_length", ["sized", length((size, limit) => size <= limit)]],
  ["type", ["any", compileType]],
  ["host", ["text", compileHost]],
  ["scheme", ["text", compileScheme]],
]);
