/** `mcp-guard audit verify`, as a person runs it. */
import { spawn } from "node:child_process";
import * as assert from "uvu/assert";
import { guardCommand } from "../tools/guard-command.ts";

export interface VerifyReport {
  readonly altered: boolean;
  readonly records: number;
  readonly findings: readonly { readonly kind: string; readonly message: string }[];
  readonly chains: readonly { readonly chain: string; readonly end: string }[];
  readonly notes: readonly string[];
}

/** Runs the command and asserts that it finds nothing altered. */
export async function verifyUnaltered(file: string): Promise<VerifyReport> {
  const [program, ...before] = guardCommand();
  const child = spawn(program, [...before, "audit", "verify", file, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  assert.is(code, 0, `audit verify: ${stdout} ${stderr}`);
  const report = JSON.parse(stdout) as VerifyReport;
  assert.is(report.altered, false);
  assert.equal(report.findings, []);
  return report;
}
