/**
 * `$VARIABLES` of a policy. They come from the caller only, never from the environment, and their value is inserted
 * as what it is, a text: no character of it can become a wildcard, an operator or another path.
 */
import type { Insertion } from "./shape.ts";

/** `$NAME`, `${NAME}`, or `$$` for a plain `$`. Any other `$` (a regex's end, a price) is itself. */
const REFERENCE = /\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([^{}$]*)\})/g;
/** Where a backslash takes the meaning from what follows it, it does so from `$` too. */
const ESCAPED = /\\[^]|\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][^{}$]*)\})/g;

export interface Expansion {
  readonly text: string;
  /** Names that were used and are not defined. */
  readonly missing: readonly string[];
  readonly used: readonly string[];
}

export function expand(
  text: string,
  place: Insertion,
  variables: Readonly<Record<string, string>>,
): Expansion {
  const missing: string[] = [];
  const used: string[] = [];
  const value = (name: string): string => {
    used.push(name);
    if (Object.hasOwn(variables, name)) return variables[name]!;
    missing.push(name);
    return "";
  };
  const home = place === "path" && (text === "~" || text.startsWith("~/"));
  const start = home ? value("HOME") : "";
  const backslash = place === "regex" || place === "glob" || place === "uri";
  const rest = (home ? text.slice(1) : text).replace(
    backslash ? ESCAPED : REFERENCE,
    (all: string, bare: string | undefined, braced: string | undefined) => {
      if (all.startsWith("\\")) return all;
      if (all === "$$") return place === "regex" ? "$$" : "$";
      return escapeFor(place, value(bare ?? braced ?? ""));
    },
  );
  return { text: start + rest, missing, used };
}

function escapeFor(place: Insertion, value: string): string {
  switch (place) {
    case "plain":
    case "path":
      return value;
    case "glob":
      return value.replace(/[\\*?[\]{},!]/g, "\\$&");
    case "regex":
      return value.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    case "uri":
      return encodeURIComponent(value).replace(/[*!'()]/g, percent).replaceAll("%2F", "/");
  }
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
