/**
 * Globs to tokens: `*` any run of characters but `/`, `**` any run, `?` one character but `/`, `[a-z]`, `[!a-z]`,
 * `{a,b}`, and `\` before a character that is meant as itself. `**\/` also matches no folder at all. A leading dot is
 * a character like any other. Case matters.
 */

/** A code point, or what stands for several. */
export type Token = number | "one" | "star" | "deep" | CharacterClass;

export interface CharacterClass {
  readonly negated: boolean;
  /** Inclusive pairs of code points. */
  readonly ranges: readonly (readonly [number, number])[];
}

export interface GlobOptions {
  /**
   * - `path`: as said above
   * - `wide`: `*` passes `/` as well, for deny rules
   * - `name`: `/` is a character like any other, for names
   */
  readonly mode: "path" | "wide" | "name";
  /** Reads `%xx` as the character it stands for, which is then never a wildcard. */
  readonly percent?: boolean;
}

export class GlobError extends Error {
  override readonly name = "GlobError";
}

const SLASH = 47;
const MAX_ALTERNATIVES = 64;

/** @throws {GlobError} when the pattern is not well-formed. */
export function parseGlob(pattern: string, options: GlobOptions): readonly (readonly Token[])[] {
  const source = Array.from(pattern);
  const parser: Parser = { source, at: 0, options, depth: 0 };
  const alternatives = parseSequence(parser);
  if (parser.at < source.length) throw new GlobError(`'${source[parser.at]}' without its beginning`);
  return options.mode === "name" ? alternatives : bounded(alternatives.flatMap(withoutFolders));
}

interface Parser {
  readonly source: readonly string[];
  at: number;
  readonly options: GlobOptions;
  depth: number;
}

function parseSequence(parser: Parser): Token[][] {
  let alternatives: Token[][] = [[]];
  while (parser.at < parser.source.length) {
    const character = parser.source[parser.at]!;
    if (character === "}" || character === "," && parser.depth > 0) break;
    if (character !== "{") {
      const token = parseToken(parser);
      for (const tokens of alternatives) push(tokens, token);
      continue;
    }
    const choices = parseBraces(parser);
    alternatives = bounded(alternatives.flatMap((before) => choices.map((choice) => join(before, choice))));
  }
  return alternatives;
}

function parseBraces(parser: Parser): Token[][] {
  if (++parser.depth > 8) throw new GlobError("'{' is nested too deeply");
  const choices: Token[][] = [];
  do {
    parser.at++;
    choices.push(...parseSequence(parser));
  } while (parser.source[parser.at] === ",");
  if (parser.source[parser.at] !== "}") throw new GlobError("'{' without '}'");
  parser.at++;
  parser.depth--;
  return bounded(choices);
}

function parseToken(parser: Parser): Token {
  const character = parser.source[parser.at++]!;
  const separators = parser.options.mode === "path";
  if (character === "*") {
    if (parser.source[parser.at] !== "*") return separators ? "star" : "deep";
    parser.at++;
    return "deep";
  }
  if (character === "?") return separators ? "one" : { negated: true, ranges: [] };
  if (character === "[") return parseClass(parser);
  if (character === "%" && parser.options.percent === true) return parsePercent(parser);
  if (character !== "\\") return character.codePointAt(0)!;
  const escaped = parser.source[parser.at++];
  if (escaped === undefined) throw new GlobError("'\\' at the end");
  return escaped.codePointAt(0)!;
}

function parseClass(parser: Parser): CharacterClass {
  const negated = parser.source[parser.at] === "!" || parser.source[parser.at] === "^";
  if (negated) parser.at++;
  const ranges: (readonly [number, number])[] = negated && parser.options.mode === "path"
    ? [[SLASH, SLASH]]
    : [];
  const before = ranges.length;
  for (;;) {
    if (parser.at >= parser.source.length) throw new GlobError("'[' without ']'");
    if (parser.source[parser.at] === "]" && ranges.length > before) break;
    const from = classCharacter(parser);
    const isRange = parser.source[parser.at] === "-" && parser.source[parser.at + 1] !== "]";
    if (isRange) parser.at++;
    const to = isRange ? classCharacter(parser) : from;
    if (to < from) throw new GlobError("A range in '[…]' is the wrong way round");
    ranges.push([from, to]);
  }
  parser.at++;
  return { negated, ranges };
}

function classCharacter(parser: Parser): number {
  let character = parser.source[parser.at++];
  if (character === "\\") character = parser.source[parser.at++];
  if (character === undefined) throw new GlobError("'[' without ']'");
  return character.codePointAt(0)!;
}

function parsePercent(parser: Parser): number {
  let encoded = "%";
  const length = (): number => {
    const first = Number.parseInt(encoded.slice(1, 3), 16);
    if (first < 0x80) return 1;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  };
  encoded += parser.source.slice(parser.at, parser.at + 2).join("");
  encoded += parser.source.slice(parser.at + 2, parser.at + length() * 3 - 1).join("");
  parser.at += encoded.length - 1;
  try {
    const decoded = decodeURIComponent(encoded);
    if (encoded.length === length() * 3 && Array.from(decoded).length === 1) return decoded.codePointAt(0)!;
  } catch {
    // Reported below, as is what decodes to something else than one character.
  }
  throw new GlobError(`'${encoded}' is not an encoded character; a plain '%' is written '%25'`);
}

function push(tokens: Token[], token: Token): void {
  const last = tokens.at(-1);
  const afterRun = last === "star" || last === "deep";
  if (!afterRun || token !== "star" && token !== "deep") tokens.push(token);
  else if (token === "deep") tokens[tokens.length - 1] = "deep";
}

function join(before: readonly Token[], after: readonly Token[]): Token[] {
  const tokens = before.slice();
  for (const token of after) push(tokens, token);
  return tokens;
}

/** `a/**\/b` is also `a/b`. */
function withoutFolders(tokens: readonly Token[]): Token[][] {
  const at = tokens.findIndex((token, index) =>
    token === "deep" && tokens[index + 1] === SLASH && (index === 0 || tokens[index - 1] === SLASH)
  );
  if (at === -1) return [tokens.slice()];
  const rest = withoutFolders(tokens.slice(at + 2));
  const before = tokens.slice(0, at);
  return bounded(
    rest.flatMap((after) => [[...before, "deep" as const, SLASH, ...after], [...before, ...after]]),
  );
}

function bounded(alternatives: Token[][]): Token[][] {
  if (alternatives.length > MAX_ALTERNATIVES) throw new GlobError("It has too many alternatives");
  return alternatives;
}
