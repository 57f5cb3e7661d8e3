/**
 * Runs the test files: each in a process of its own, on Node and then on Deno. See README.md.
 *
 * uvu alone reports success for a file whose hook throws, whose suite was never run, or that left in the middle. Here a
 * file counts only if its own summary proves that every test of it passed, and that it left nothing behind.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { discover } from "./tools/discover.ts";
import { RUNTIMES } from "./tools/runtimes.ts";
import { cleanUpOnSignals, runJobs } from "./tools/run-file.ts";
import { JsonReport, type Report, TextReport } from "./tools/report.ts";

const HELP = `Usage: tsx test/run.ts [options] [file …]

Runs every test/**/*.test.ts, or just the files that are named.

  --runtime node|deno|both   where to run them (both)
  --filter TEXT              only files whose path contains TEXT
  --jobs N                   how many at a time (number of cores)
  --timeout SECONDS          for one file; then its whole process group is killed (120)
  --json                     one JSON object per file instead of text
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", default: "both" },
    filter: { type: "string", default: "" },
    jobs: { type: "string", default: String(availableParallelism()) },
    timeout: { type: "string", default: "120" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

cleanUpOnSignals();
if (values.help) {
  process.stdout.write(HELP);
} else {
  process.exitCode = await run();
}

async function run(): Promise<number> {
  const runtimes = RUNTIMES.filter((it) => values.runtime === "both" || values.runtime === it.name);
  if (runtimes.length === 0) {
    throw new RangeError(`--runtime is 'node', 'deno' or 'both', not '${values.runtime}'`);
  }
  const timeoutMs = positive("timeout", values.timeout) * 1000;
  const files = (positionals.length > 0 ? positionals : discover()).filter((
    it,
  ) => it.includes(values.filter));
  const report: Report = values.json ? new JsonReport() : new TextReport();

  // All of Node first: a plain failure shows there, with the better stack traces.
  const jobs = runtimes.flatMap((runtime) => files.map((file) => ({ runtime, file })));
  await runJobs(jobs, { atATime: positive("jobs", values.jobs), timeoutMs }, (it) => report.add(it));
  return report.finish();
}

function positive(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) {
    throw new RangeError(`--${option} must be a number above 0, not '${text}'`);
  }
  return number;
}
