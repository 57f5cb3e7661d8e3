import type { Problem } from "../policy.ts";
import type { Place } from "./tree.ts";

/** Collects every finding of one file. */
export interface Report {
  error(place: Place, message: string, hint?: string): void;
  warning(place: Place, message: string, hint?: string): void;
  /** Whether anything was found that keeps the policy from being used. */
  readonly failed: boolean;
  /** In the order of the file. */
  list(): readonly Problem[];
}

/** A hostile file must not make us print for ever; nobody reads past the hundredth error either. */
const MOST = 100;
/** The YAML library's words hold pieces of the file, as long and as odd as they are. */
const LONGEST = 1000;

export function openReport(file: string): Report {
  const found: Problem[] = [];
  let failed = false;
  const add = (severity: Problem["severity"], place: Place, message: string, hint?: string) => {
    failed ||= severity === "error";
    if (found.length > MOST) return;
    const { line, column } = place;
    const text = found.length === MOST
      ? "There are more problems than are shown"
      : printable(message, LONGEST);
    const problem = { severity, file, line, column, message: text };
    found.push(found.length === MOST || hint === undefined ? problem : { ...problem, hint });
  };
  return {
    error: (place, message, hint) => add("error", place, message, hint),
    warning: (place, message, hint) => add("warning", place, message, hint),
    get failed() {
      return failed;
    },
    list: () => found.slice().sort((a, b) => a.line - b.line || a.column - b.column),
  };
}

/** The value as it is quoted in messages: short, and without anything a terminal would obey. */
export function quote(value: string): string {
  return `'${printable(value, 60)}'`;
}

function printable(text: string, longest: number): string {
  const short = text.length > longest ? `${text.slice(0, longest - 3)}...` : text;
  return short.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
