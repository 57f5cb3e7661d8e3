import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { linePrefixer } from "../../sidecar/upstream/stderr.ts";
import { limited, waitUntil } from "../harness.ts";
import { withGuardLike } from "./support.ts";

const test = suite("stderr");

test("each line is marked once, whatever the chunks are, and no byte is lost or changed", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "\r", "\x1b", "\u00fc") })),
      (chunks) => {
        const prefixed = linePrefixer("[x] ");
        const out = Buffer.concat(chunks.map((chunk) => prefixed(Buffer.from(chunk)))).toString();
        assert.is(out, chunks.join("").replace(/^(?=[^])/gm, "[x] ").replace(/\r\[x\] /g, "\r"));
      },
    ),
  );
});

const residentKiB = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);

test(
  "a log is handed on line by line with its prefix",
  limited(15_000, () =>
    withGuardLike("refuses-to-start", "[files] ", async (guard) => {
      let log = "";
      guard.process.stderr!.on("data", (chunk) => log += String(chunk));
      await waitUntil(() => log.includes("\n"));
      assert.is(log, "[files] Error: API_KEY is not set\n");
    })),
);

test(
  "a flood of log that nobody reads does not grow the guard, nor stop it",
  limited(20_000, () =>
    withGuardLike("floods stderr", "[x] ", async (guard) => {
      guard.process.stderr!.pause();
      await waitUntil(() => !isGrowing(guard.server));
      const before = residentKiB(guard.pid);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.ok(residentKiB(guard.pid) - before < 4_096, "the log is held back, not collected");
      // Then somebody reads: it comes, each line whole and marked.
      let log = "";
      guard.process.stderr!.on("data", (chunk) => log.length < 1 << 20 && (log += String(chunk)));
      guard.process.stderr!.resume();
      await waitUntil(() => log.length >= 1 << 20);
      const lines = log.split("\n").slice(0, -1);
      assert.ok(lines.every((line) => line === `[x] ${"x".repeat(1000)}`));
    })),
);

/** Whether it wrote anything within 200 ms. */
function isGrowing(pid: number): boolean {
  const written = () => /^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))![1];
  const before = written();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  return written() !== before;
}

test.run();
