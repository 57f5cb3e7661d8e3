/**
 * What uvu lacks, for every test: rejections by code, skips with a reason, time limits, temp folders, and the guard
 * itself as a process. See README.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export { type GuardOptions, type GuardProcess, withGuard } from "./tools/guard.ts";
export { guardCommand } from "./tools/guard-command.ts";
export type { JsonRpc } from "./tools/inbox.ts";

// Where a person's umask lets groups write (002, on many systems), the guard rightly refuses the policies of tests.
process.umask(0o022);

/**
 * Asserts that a promise rejects, with this code and, where given, a message that matches.
 *
 * @returns The error, for whatever else is to be said of it.
 */
export async function rejects(
  promise: PromiseLike<unknown> | (() => PromiseLike<unknown>),
  expected: { readonly code: string; readonly message?: RegExp },
): Promise<Error & { readonly code: string }> {
  let result: unknown;
  try {
    result = await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    return expectError(error, expected);
  }
  throw new Error(`Expected a rejection with ${expected.code}, but it resolved to ${String(result)}`);
}

/** The same for a function that throws at once. */
export function throws(
  call: () => unknown,
  expected: { readonly code: string; readonly message?: RegExp },
): Error & { readonly code: string } {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return expectError(error, expected);
  }
  throw new Error(`Expected ${expected.code} to be thrown, but it returned ${String(result)}`);
}

function expectError(error: unknown, expected: { readonly code: string; readonly message?: RegExp }) {
  if (!(error instanceof Error)) throw new Error(`Expected an Error, but ${String(error)} was thrown`);
  const code = "code" in error ? error.code : undefined;
  if (code !== expected.code) {
    throw new Error(`Expected the code ${expected.code}, but it is ${String(code)}: ${error.message}`, {
      cause: error,
    });
  }
  if (expected.message !== undefined && !expected.message.test(error.message)) {
    throw new Error(`Expected a message like ${expected.message}, but it is '${error.message}'`, {
      cause: error,
    });
  }
  return error as Error & { readonly code: string };
}

/**
 * Whether the test that is running must be skipped: `if (skipUnless(isRoot, "needs root")) return;`.
 * The run's last lines say how many were skipped, and why.
 */
export function skipUnless(condition: boolean, reason: string): boolean {
  // On a line of its own: uvu writes its dots without ending theirs.
  if (!condition) process.stdout.write(`\nSKIP: ${reason.replaceAll("\n", " ")}\n`);
  return !condition;
}

/**
 * Makes a test body that fails when it takes longer: `it("title", limited(5_000, async (signal) => …))`.
 * The signal is aborted then, and also when the body is done, so that nothing it started goes on behind it.
 */
export function limited(ms: number, body: (signal: AbortSignal) => unknown): () => Promise<void> {
  return async () => {
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Not done within ${ms} ms`)), ms);
    });
    try {
      await Promise.race([body(controller.signal), limit]);
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  };
}

/** Waits until the predicate is true; throws after `ms`. For what gives no event of its own. */
export async function waitUntil(predicate: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!await predicate()) {
    if (performance.now() > end) throw new Error(`Not true within ${ms} ms: ${String(predicate)}`);
    await delay(10);
  }
}

/** Lends a private folder (0700) that is removed afterwards, whatever happens. */
export async function withTempDir<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "t-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
