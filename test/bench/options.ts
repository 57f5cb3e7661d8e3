import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../tools/runtimes.ts";
import type { Place } from "./affinity.ts";
import type { Measure } from "./measure.ts";
import { MEASURES } from "./measures/mod.ts";

export const HELP = `Measure what the guard costs

Usage
  npm run bench [-- options]

Options
  --quick              Under a minute: one core, direct and the guard with a policy, few repetitions
  --only NAME          This measure (repeatable)
  --subject WORD       Subjects whose name holds WORD, beside 'direct' (repeatable)
  --guard FILE         The guard's bundle; the default is dist/mcp-guard.js
  --bundle NAME=FILE   One more bundle of the guard, to compare two builds side by side (repeatable)
  --front NAME=COMMAND Whatever else runs a server given behind it: a byte pipe, another guard (repeatable)
  --place PLACE        core or free; the default is both
  --json FILE          Write all rows to FILE as well
  --help

Measures
${MEASURES.map((it) => `  ${it.name.padEnd(12)} ${it.summary}`).join("\n")}

Targets hold on one core. Read ratios, not numbers; run again before you believe a row that is over.
`;

export interface Options {
  readonly quick: boolean;
  readonly measures: readonly Measure[];
  /** Words of names; empty for all. */
  readonly subjects: readonly string[];
  readonly guard: string;
  readonly bundles: ReadonlyMap<string, string>;
  readonly fronts: ReadonlyMap<string, readonly string[]>;
  readonly places: readonly Place[];
  readonly json: string | undefined;
}

/** @returns Undefined when help was asked for. @throws {Error} on wrong usage. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      subject: { type: "string", multiple: true, default: [] },
      guard: { type: "string", default: join(ROOT, "dist/mcp-guard.js") },
      bundle: { type: "string", multiple: true, default: [] },
      front: { type: "string", multiple: true, default: [] },
      place: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    quick: values.quick,
    measures: values.only.length === 0 ? MEASURES : values.only.map(measureNamed),
    subjects: values.subject,
    guard: resolve(values.guard),
    bundles: new Map(
      values.bundle.map((it) => named("bundle", it)).map(([name, file]) => [name, resolve(file)]),
    ),
    fronts: new Map(
      values.front.map((it) => named("front", it)).map(([name, text]) => [name, text.split(" ")]),
    ),
    places: placesOf(values.place, values.quick),
    json: values.json,
  };
}

function measureNamed(name: string): Measure {
  const found = MEASURES.find((it) => it.name === name);
  if (found === undefined) {
    throw new Error(`There is no measure '${name}': ${MEASURES.map((it) => it.name).join(", ")}`);
  }
  return found;
}

function named(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new Error(`--${option} takes NAME=…, not '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function placesOf(place: string | undefined, quick: boolean): Place[] {
  if (place === undefined) return quick ? ["one core"] : ["one core", "free"];
  if (place !== "core" && place !== "free") throw new Error(`--place takes core or free, not '${place}'`);
  return [place === "core" ? "one core" : "free"];
}
