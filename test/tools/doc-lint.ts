/** Reads `deno doc --lint`, which finds a fault with every undocumented field and with types of other packages. */

/**
 * The findings that count: an exported symbol of ours without a word on what it is for. A field's name and type often
 * say enough, and types that the public ones refer to need not be exported.
 *
 * @returns One line per finding; empty when there is none.
 */
export function judgeDocLint(output: string, code: number | null): string {
  const findings = [
    ...output.matchAll(/^error\[([\w-]+)\]: (.*)\n\s*--> (.*):(\d+):\d+\n\s*\|\s*\n\s*\d+ \| (.*)$/gm),
  ];
  // Without a single finding a failure is one of deno itself.
  if (findings.length === 0) return code === 0 ? "" : output.trim();
  return findings
    .filter(([, rule, , file = "", , line = ""]) =>
      rule === "missing-jsdoc" && line.startsWith("export ") &&
      !file.includes("/node_modules/")
    )
    .map(([, , message, file, number, line]) => `${file}:${number}: ${message}: ${line}`)
    .join("\n");
}
