/**
 * `npm run bench`: what the guard costs, against the same server without it. See README.md for how to read it.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { performance } from "node:perf_hooks";
import { ROOT } from "../tools/runtimes.ts";
import { moveTo, type Place } from "./affinity.ts";
import type { Measure } from "./measure.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import { type Bench, DIRECT, openBench, POLICY, type Subject } from "./subjects.ts";
import { tableOf } from "./table.ts";
import { verdictOf } from "./targets.ts";

const options = parseOptions(process.argv.slice(2));
if (options === undefined) process.stdout.write(HELP);
else await main(options);

async function main(options: Options): Promise<void> {
  const bench = openBench(options);
  const rows: Row[] = [];
  const begun = performance.now();
  try {
    const subjects = select(bench, options);
    for (const place of options.places) {
      moveTo(place);
      for (const measure of options.measures) {
        rows.push(...await measured(measure, place, { bench, subjects, options }));
      }
    }
  } finally {
    moveTo("free");
    bench.close();
  }
  const over = rows.filter((row) => verdictOf(row)?.verdict === "over");
  const seconds = Math.round((performance.now() - begun) / 1000);
  process.stdout.write(`${rows.length} rows in ${seconds} s; ${over.length} over target\n`);
  if (options.json !== undefined) {
    writeFileSync(options.json, JSON.stringify(report(options, rows), null, 2) + "\n");
  }
}

function select(bench: Bench, { subjects, quick, bundles, fronts }: Options): Subject[] {
  const asked = (name: string) => name === DIRECT || bundles.has(name) || fronts.has(name);
  const wanted = (name: string) =>
    subjects.length > 0 ? subjects.some((word) => name.includes(word)) : !quick || name === POLICY;
  return bench.subjects.filter(({ name }) => asked(name) || wanted(name));
}

interface Setting {
  readonly bench: Bench;
  readonly subjects: readonly Subject[];
  readonly options: Options;
}

async function measured(
  measure: Measure,
  place: Place,
  { bench, subjects, options }: Setting,
): Promise<Row[]> {
  if (!measure.places.includes(place) && options.places.some((it) => measure.places.includes(it))) return [];
  const rows = await measure.run({ bench, quick: options.quick, place, subjects });
  process.stdout.write(`${tableOf(rows)}\n`);
  return rows;
}

function report(options: Options, rows: readonly Row[]) {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" })
    .trim();
  return {
    when: new Date().toISOString(),
    commit,
    node: process.version,
    kernel: release(),
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    quick: options.quick,
    rows: rows.map((row) => ({ ...row, ...verdictOf(row) })),
  };
}
