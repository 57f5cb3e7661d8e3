/** JSON for files that decide over rights: what two readers could read differently is refused. */
import { messageOf } from "../model/errors.ts";

/**
 * Parses a text as `JSON.parse` does, but refuses an object that has one key twice: of two `"tested"` a person may see
 * the one and a program take the other.
 *
 * @throws {SyntaxError} for anything else than one JSON value.
 */
export function parseStrictJson(text: string): unknown {
  const value = parse(text);
  const twice = repeatedKey(text);
  if (twice !== undefined) throw new SyntaxError(`the key ${quoted(twice)} stands twice in one object`);
  return value;
}

/** A key out of a file as a message may show it: whatever it is, a terminal does not obey it. */
export function quoted(key: string): string {
  return JSON.stringify(key).replace(/[^\x20-\x7e]/g, "?");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The runtime's own words quote the text, which may be anything.
    const place = /position (\d+)/.exec(messageOf(error))?.[1];
    throw new SyntaxError(
      place === undefined ? "it is not JSON" : `it is not JSON from position ${place} on`,
    );
  }
}

/** @param text JSON, which is why the look at it can be so simple: outside of strings each sign has one meaning. */
function repeatedKey(text: string): string | undefined {
  // One set for each object around, undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let atKey = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      const end = endOfString(text, at);
      const keys = atKey ? open.at(-1) : undefined;
      if (keys !== undefined) {
        // Parsed, since "a" and "\u0061" are one key.
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end;
    } else if (sign === "{" || sign === "[") open.push(sign === "{" ? new Set() : undefined);
    else if (sign === "}" || sign === "]") open.pop();
    if (sign === "{" || sign === ",") atKey = true;
    else if (sign === ":") atKey = false;
  }
  return undefined;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1;; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
}
