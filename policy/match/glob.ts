/**
 * Matches globs in time linear in the text, whatever the pattern: all positions of the pattern are followed at once,
 * so there is no backtracking for a hostile value to blow up.
 */
import type { CharacterClass, Token } from "./glob-parse.ts";
import { BUDGET } from "./verdict.ts";

/** Undefined: the text is too long to be judged. */
export type TextTest = (text: string) => boolean | undefined;

export function compileGlob(alternatives: readonly (readonly Token[])[]): TextTest {
  const tests = alternatives.map(compileTokens);
  if (tests.length === 1) return tests[0]!;
  return (text) => {
    let result: boolean | undefined = false;
    for (const test of tests) {
      const one = test(text);
      if (one === true) return true;
      if (one === undefined) result = undefined;
    }
    return result;
  };
}

function compileTokens(tokens: readonly Token[]): TextTest {
  const head = fixedLength(tokens);
  const prefix = literal(tokens.slice(0, head));
  const rest = tokens.slice(head);
  if (rest.length === 0) return (text) => text === prefix;
  if (rest[0] === "deep" && fixedLength(rest.slice(1)) === rest.length - 1) {
    const suffix = literal(rest.slice(1));
    const shortest = prefix.length + suffix.length;
    return (text) => text.length >= shortest && text.startsWith(prefix) && text.endsWith(suffix);
  }
  const run = simulation(rest);
  return (text) => text.startsWith(prefix) ? run(text, prefix.length) : false;
}

/** How many tokens at the beginning are plain characters. */
export function fixedLength(tokens: readonly Token[]): number {
  const at = tokens.findIndex((token) => typeof token !== "number");
  return at === -1 ? tokens.length : at;
}

/** @param tokens Plain characters only. */
export function literal(tokens: readonly Token[]): string {
  return tokens.map((token) => String.fromCodePoint(token as number)).join("");
}

function simulation(tokens: readonly Token[]): (text: string, from: number) => boolean | undefined {
  const size = tokens.length;
  let now = new Uint8Array(size + 1);
  let next = new Uint8Array(size + 1);
  const enter = (states: Uint8Array, at: number): void => {
    for (let state = at; states[state] === 0; state++) {
      states[state] = 1;
      if (!isRun(tokens[state])) return;
    }
  };
  return (text, from) => {
    if ((text.length - from) * size > BUDGET) return undefined;
    now.fill(0);
    enter(now, 0);
    for (let at = from; at < text.length;) {
      const character = text.codePointAt(at)!;
      at += character > 0xffff ? 2 : 1;
      next.fill(0);
      for (let state = 0; state < size; state++) {
        if (now[state] === 0 || !accepts(tokens[state]!, character)) continue;
        enter(next, isRun(tokens[state]) ? state : state + 1);
      }
      [now, next] = [next, now];
    }
    return now[size] === 1;
  };
}

function isRun(token: Token | undefined): boolean {
  return token === "star" || token === "deep";
}

function accepts(token: Token, character: number): boolean {
  if (typeof token === "number") return token === character;
  if (token === "deep") return true;
  if (token === "star" || token === "one") return character !== 47;
  return inClass(token, character);
}

function inClass(token: CharacterClass, character: number): boolean {
  for (const [from, to] of token.ranges) {
    if (character >= from && character <= to) return !token.negated;
  }
  return token.negated;
}

/**
 * Whether some text matches both patterns. Says true where it cannot tell: two classes, or patterns too large.
 * Used only to decide what a list shows.
 */
export function overlaps(a: readonly Token[], b: readonly Token[]): boolean {
  const width = b.length + 1;
  if ((a.length + 1) * width > 1_000_000) return true;
  const seen = new Uint8Array((a.length + 1) * width);
  const open = [0];
  const visit = (i: number, j: number) => {
    const state = i * width + j;
    if (seen[state] === 1) return;
    seen[state] = 1;
    open.push(state);
  };
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const i = Math.floor(state / width);
    const j = state % width;
    if (i === a.length && j === b.length) return true;
    const [left, right] = [a[i], b[j]];
    if (isRun(left)) visit(i + 1, j);
    if (isRun(right)) visit(i, j + 1);
    if (left === undefined || right === undefined || !shareCharacter(left, right)) continue;
    visit(isRun(left) ? i : i + 1, isRun(right) ? j : j + 1);
  }
  return false;
}

function shareCharacter(a: Token, b: Token): boolean {
  if (typeof a === "number") return accepts(b, a);
  return typeof b === "number" ? accepts(a, b) : true;
}
