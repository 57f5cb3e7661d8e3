/** Compiles the programs of these tests, each once. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Files of `programs/`, without `.c`. `agent` is the one that policies trust. */
export type Program =
  | "agent"
  | "dies"
  | "exec-after-connect"
  | "from-memory"
  | "hands-over"
  | "helper-answers"
  | "helper-follows"
  | "http-speaks"
  | "impostor"
  | "interferes"
  | "launders-parent"
  | "launders-stdin"
  | "leaderless"
  | "masquerade"
  | "naive-guard"
  | "preload"
  | "reopens"
  | "speaks-up"
  | "steals"
  | "takes-pid"
  | "two-faced"
  | "undumpable";

const compiled = new Map<Program, Buffer>();

/** The executable's bytes. @throws {Error} with what the compiler says. */
export function compile(name: Program): Buffer {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "cc-"));
  try {
    const source = fileURLToPath(new URL(`../programs/${name}.c`, import.meta.url));
    const output = join(folder, name);
    const shape = name === "preload" ? ["-shared", "-fPIC"] : ["-pthread"];
    const run = spawnSync("cc", ["-O1", ...shape, "-o", output, source, "-ldl"], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`Cannot compile ${name}.c: ${run.stderr}`);
    const bytes = readFileSync(output);
    compiled.set(name, bytes);
    return bytes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The digest by which a policy knows this program. */
export function digest(name: Program): string {
  return sha256(compile(name));
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
