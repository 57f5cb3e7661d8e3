import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Folders under test/ with programs of their own kind: started by other runners, or by tests. */
const NOT_OURS: readonly string[] = ["external", "bench", "fixtures", "node_modules"];

/** Every test file, sorted, as paths relative to the current folder. */
export function discover(folder = "test"): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return NOT_OURS.includes(entry.name) ? [] : discover(path);
    }
    return entry.name.endsWith(".test.ts") ? [path] : [];
  }).sort();
}
