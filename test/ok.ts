/**
 * Every check that needs no test run, in one word: `npm run ok`. One line per check, failures in full.
 * `npm run ok -- --fix` formats the tree first.
 */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { judgeDocLint } from "./tools/doc-lint.ts";
import { denoBinary, ROOT } from "./tools/runtimes.ts";

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** What to say of its output; empty is good. @default {the whole output when the exit code is not 0} */
  readonly judge?: (output: string, code: number | null) => string;
}

/** A package's own program, run by this Node: no launcher of npm or a shell stands between. */
function bin(path: string, ...args: string[]): readonly [string, ...string[]] {
  return [process.execPath, join(ROOT, "node_modules", path), ...args];
}

const deno = denoBinary();
const SOURCES = ["sidecar", "policy", "wrappers", "examples", "test"];
const CHECKS: readonly Check[] = [
  { name: "format", command: [deno, "fmt", "--check"] },
  { name: "types", command: bin("typescript/bin/tsc", "-p", ".") },
  { name: "lint", command: bin("oxlint/bin/oxlint", "--format=unix", "--disable-nested-config") },
  // What is run from source on Deno; it does not find the SDK's types, which tests and examples import.
  { name: "deno check", command: [deno, "check", "--quiet", "sidecar", "policy", "wrappers"] },
  { name: "deno lint", command: [deno, "lint", "--quiet", ...SOURCES] },
  { name: "docs", command: [deno, "doc", "--lint", "sidecar/mod.ts", "policy/mod.ts"], judge: judgeDocLint },
  { name: "dead code", command: bin("knip/bin/knip.js", "--no-progress") },
  { name: "package", command: bin("publint/src/cli.js", "--strict") },
];

const { values } = parseArgs({ options: { fix: { type: "boolean", default: false } } });
if (values.fix) spawnSync(deno, ["fmt", "--quiet"], { cwd: ROOT, stdio: "inherit" });

// Two at a time: each of them has threads of its own.
const queue = [...CHECKS];
const failed: string[] = [];
await Promise.all([work(), work()]);
process.stdout.write(
  failed.length === 0 ? `\n${CHECKS.length} checks passed\n` : `\nFailed: ${failed.join(", ")}\n`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

async function work(): Promise<void> {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const started = performance.now();
    const { output, code } = await execute(check.command);
    const judge = check.judge ??
      ((text, exit) => exit === 0 ? "" : text.trim() || `exit code ${String(exit)}`);
    const fault = judge(output, code);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${fault === "" ? "ok  " : "FAIL"} ${check.name.padEnd(10)} ${seconds} s\n`);
    if (fault === "") continue;
    failed.push(check.name);
    process.stdout.write(`${fault.replace(/^/gm, "     | ")}\n`);
  }
}

function execute([program, ...args]: Check["command"]): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    // Colours and update notices are for people at their own terminal.
    const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ output, code }));
  });
}
