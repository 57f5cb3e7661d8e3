/** Judges what a finished test file left: pure, so that each of uvu's holes can be tried on text alone. */

/** All that is known of one run of one file. */
export interface Run {
  readonly source: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Set when the time limit ended it. */
  readonly timedOutAfterMs?: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Processes and files that outlived it, in words. */
  readonly leftovers: readonly string[];
}

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  /** Reasons given to `skipUnless`, one per skipped test. */
  readonly skips: readonly string[];
  /** Why the file is not accepted; empty when it is. */
  readonly problems: readonly string[];
}

// At the very end of the output: a test that prints something like it cannot stand in for the real one.
const SUMMARY = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration: +.*$/gm;
// Node prints "(node:1) ExperimentalWarning: …", Deno "Warning …" and, for node: modules, Node's form.
const WARNING = /^(?:\(node:\d+\) .*|Warning:? .*|DANGER: .*)$/gm;

export function judge(run: Run): Verdict {
  const summaries = [...run.stdout.matchAll(SUMMARY)];
  const [total, passed, skipped] = (summaries[0]?.slice(1) ?? []).map(Number);
  const skips = [...run.stdout.matchAll(/^SKIP: (.*)$/gm)].map((it) => it[1] ?? "");
  const problems = [
    ...howItEnded(run),
    ...whatItCounted(summaries.length, total, passed, skipped),
    ...(total !== undefined && skips.length > total ? ["more skips than tests"] : []),
    ...suitesNotRun(run.source),
    ...[...run.stderr.matchAll(WARNING)].map((it) => `the runtime warned: ${it[0]}`),
    ...run.leftovers,
  ];
  const good = Math.max(0, (passed ?? 0) - skips.length);
  const bad = (total ?? 0) - (passed ?? 0);
  // A file with a problem of its own failed, however many of its tests passed.
  return {
    passed: good,
    failed: problems.length === 0 ? 0 : Math.max(1, bad),
    skips,
    problems,
  };
}

function howItEnded({ exitCode, signal, timedOutAfterMs }: Run): string[] {
  if (timedOutAfterMs !== undefined) {
    return [`not finished after ${timedOutAfterMs / 1000} s, killed`];
  }
  if (signal !== null) return [`killed by ${signal}`];
  return exitCode === 0 ? [] : [`exit code ${exitCode}`];
}

function whatItCounted(summaries: number, total = 0, passed = 0, skipped = 0): string[] {
  if (summaries === 0) {
    return ["uvu printed no summary: it ended early, or '.run()' is missing"];
  }
  if (summaries > 1) return ["more than one summary"];
  if (total === 0) return ["no tests"];
  return [
    ...(passed === total ? [] : [`${passed} of ${total} tests passed`]),
    // uvu's own skip has no reason, and it also counts what an `.only` leaves out.
    ...(skipped === 0 ? [] : [`${skipped} tests left out by '.skip' or '.only': use skipUnless()`]),
  ];
}

/**
 * uvu forgets a suite whose `.run()` is missing, and tests added after it. Seen in the text, since nothing is printed:
 * hence each suite is a constant of its own.
 */
function suitesNotRun(source: string): string[] {
  const names = [
    ...source.matchAll(/^\s*(?:const|let) (\w+) = suite(?:<[^(]*>)?\(/gm),
  ].map((it) => it[1] ?? "");
  if (/^import \{[^}]*\btest\b[^}]*\} from "uvu";/m.test(source)) {
    names.push("test");
  }
  if (names.length === 0) return ["no suite: write 'const it = suite(\"…\")'"];
  return names.flatMap((name) => {
    const runs = [
      ...source.matchAll(new RegExp(`^\\s*${name}\\.run\\(\\);`, "gm")),
    ];
    const last = runs.at(-1);
    if (last === undefined) return [`'${name}.run()' is missing`];
    const after = source.slice(last.index + last[0].length);
    return new RegExp(`^\\s*${name}\\(`, "m").test(after) ? [`a test is added after '${name}.run()'`] : [];
  });
}
