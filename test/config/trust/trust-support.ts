import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTempDir } from "../../harness.ts";

/** Digests as they look; of nothing. */
export const A = "a".repeat(64);
export const B = "b".repeat(64);

/** One digest as the file has it. */
export function digest(
  sha256: string,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    sha256,
    path: "/opt/x",
    kind: "native",
    added: "2026-01-31T12:00:00Z",
    by: "path",
    tested: false,
    ...more,
  };
}

/** A trust file with these entries, as text. */
export function trustText(entries: Readonly<Record<string, readonly unknown[]>>): string {
  const list = Object.entries(entries).map(([name, digests]) => [name, { digests }]);
  return JSON.stringify({ version: 1, entries: Object.fromEntries(list) });
}

/** A private folder with a trust file in it, or with a place for one. */
export async function withTrustFile(
  text: string | Uint8Array | undefined,
  body: (file: string, folder: string) => Promise<void> | void,
): Promise<void> {
  await withTempDir(async (temp) => {
    const folder = join(realpathSync(temp), "mcp-guard");
    mkdirSync(folder, { mode: 0o700 });
    const file = join(folder, "trust.json");
    if (text !== undefined) writeFileSync(file, text, { mode: 0o600 });
    await body(file, folder);
  });
}
