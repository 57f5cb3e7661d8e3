/**
 * What needs heavy packages of its own: the suite's parts that touch the runtime on Node 22 and 24, and the official
 * inspector against a real server. Needs `npm ci --prefix test/external/packages`; started by `npm run test:external`.
 */
import { discover } from "../tools/discover.ts";
import { TextReport } from "../tools/report.ts";
import { cleanUpOnSignals, type Job, runJobs } from "../tools/run-file.ts";
import { nodeRuntime, RUNTIMES } from "../tools/runtimes.ts";
import { newerNodes } from "./installed.ts";

/** Folders whose sources depend on the version of Node: sockets, processes, files, the koffi library. */
const BY_RUNTIME = /^test\/(platform|attest|upstream|front|relay)\//;

const selection = [...discover().filter((it) => BY_RUNTIME.test(it)), "test/external/smoke.test.ts"];
const jobs: Job[] = [
  ...RUNTIMES.filter((it) => it.name === "node").flatMap((runtime) =>
    ["inspector", "runtimes-as-clients"].map((name) => ({ runtime, file: `test/external/${name}.test.ts` }))
  ),
  ...RUNTIMES.map((runtime) => ({ runtime, file: "test/external/conformance.test.ts" })),
  ...newerNodes().flatMap(({ major, binary }) =>
    selection.map((file) => ({ runtime: nodeRuntime(`node ${major}`, binary), file }))
  ),
];

cleanUpOnSignals();
const report = new TextReport();
await runJobs(jobs, { atATime: 2, timeoutMs: 300_000 }, (it) => report.add(it));
process.exitCode = report.finish();
