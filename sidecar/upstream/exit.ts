import { constants } from "node:os";
import type { UpstreamExit } from "./upstream.ts";

/**
 * The exit code by which we pass on how the child ended: its own, or 128 + n after signal n, as shells do (POSIX XCU
 * 2.8.2). An end that nobody explains is a failure: 1.
 */
export function exitCodeOf(exit: Pick<UpstreamExit, "code" | "signal">): number {
  if (exit.signal === undefined) return exit.code ?? 1;
  const number = (constants.signals as Readonly<Record<string, number | undefined>>)[exit.signal];
  return number === undefined ? 1 : 128 + number;
}
