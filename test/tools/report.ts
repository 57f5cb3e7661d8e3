import type { FileResult } from "./run-file.ts";

/** Tells a person, or a program, how the run goes. The last line is `N passed, N failed[, N skipped]` in either case. */
export interface Report {
  add(result: FileResult): void;
  /** @returns The exit code. A run without any file has failed: it proves nothing. */
  finish(): number;
}

export class TextReport implements Report {
  readonly #results: FileResult[] = [];

  add(result: FileResult): void {
    this.#results.push(result);
    const { runtime, file, problems, passed, skips, seconds } = result;
    const counts = `${passed} passed${skips.length > 0 ? `, ${skips.length} skipped` : ""}`;
    const mark = problems.length === 0 ? "ok  " : "FAIL";
    print(`${mark} ${runtime} ${file.padEnd(48)} ${counts}, ${seconds.toFixed(1)} s`);
    if (problems.length === 0) return;
    for (const problem of problems) print(`     ${problem}`);
    print(result.output.trimEnd().replace(/^/gm, "     | "));
  }

  finish(): number {
    const failures = this.#results.filter((it) => it.problems.length > 0);
    if (failures.length > 0) print("\nFailed:");
    for (const { runtime, file, problems } of failures) {
      print(`  ${runtime} ${file}: ${problems[0]}`);
    }
    const reasons = countBy(this.#results.flatMap((it) => it.skips));
    if (reasons.size > 0) print("\nSkipped:");
    for (const [reason, count] of reasons) print(`  ${count} × ${reason}`);
    return lastLine(this.#results);
  }
}

/** One JSON object per file. */
export class JsonReport implements Report {
  readonly #results: FileResult[] = [];

  add(result: FileResult): void {
    this.#results.push(result);
    print(JSON.stringify(result));
  }

  finish(): number {
    return lastLine(this.#results);
  }
}

function lastLine(results: readonly FileResult[]): number {
  const sum = (pick: (it: FileResult) => number) => results.reduce((total, it) => total + pick(it), 0);
  const skipped = sum((it) => it.skips.length);
  if (results.length === 0) print("\nThere are no test files");
  const failed = results.length === 0 ? 1 : sum((it) => it.failed);
  print(`\n${sum((it) => it.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failed === 0 ? 0 : 1;
}

function countBy(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
