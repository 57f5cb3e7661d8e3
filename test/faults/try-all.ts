/** The whole of it: each call of an admission with each errno. */
import { readdirSync } from "node:fs";
import * as assert from "uvu/assert";
import type { Scene } from "./scene.ts";
import { REPLACES } from "./scene.ts";

/** Of files no errno is told from another; these are the likeliest. */
const FILE_ERRNOS = ["EACCES", "EINTR", "EMFILE", "ENOENT", "ESRCH"];
const ERRNOS = [
  "EACCES",
  "EAGAIN",
  "EBADF",
  "EINTR",
  "EINVAL",
  "EIO",
  "ELOOP",
  "EMFILE",
  "ENOENT",
  "ENOMEM",
  "ENOPROTOOPT",
  "ENOSYS",
  "ENOTDIR",
  "ENXIO",
  "EOPNOTSUPP",
  "EOVERFLOW",
  "EPERM",
  "ESRCH",
];

/** A call that may fail and leave the peer admitted, and why that gives nothing away. */
export type Dispensable = readonly (readonly [call: RegExp, why: string])[];

const isNative = (call: string): boolean => !/^[a-z]+Sync /i.test(call);

/**
 * Asserts that whatever fails ends in a refusal, but for what the table spares; and that the calls `made` were made.
 */
export async function tryAll(
  { attempt }: Scene,
  made: readonly string[],
  dispensable: Dispensable,
): Promise<void> {
  const calls = new Set<string>();
  // The first one fills the caches.
  for (let round = 0; round < 3; round++) {
    calls.clear();
    assert.match(await attempt((call) => (calls.add(call), undefined)), /^admitted/);
  }
  const reached = Array.from(calls, (call) => call.split(" ")[0]);
  const files = ["openSync", "readSync", "readFileSync", "statSync", "fstatSync", "statfsSync"];
  for (const name of [...made, ...(REPLACES ? files : [])]) {
    assert.ok(reached.includes(name), `${name} was never made`);
  }

  const open = readdirSync("/proc/self/fd").length;
  const wrong: string[] = [];
  for (const call of calls) {
    if (call.includes("an ancestor")) continue; // of whom the entry says nothing
    const errnos = isNative(call) ? ERRNOS : FILE_ERRNOS;
    const kinds = /^read(File)?Sync /.test(call) ? [...errnos, "nothing"] : errnos;
    for (const kind of kinds) {
      const empty = call.startsWith("readFile") ? "" : 0;
      const injected = kind === "nothing" ? { result: empty } : { errno: kind };
      const outcome = await attempt((now) => now === call ? injected : undefined);
      if (!outcome.startsWith("admitted")) continue;
      const what = `${call}, ${kind}`;
      if (!dispensable.some(([spared]) => spared.test(what))) wrong.push(`${what}: ${outcome}`);
    }
  }
  assert.equal(wrong, []);
  assert.match(await attempt(() => undefined), /^admitted/, "and after all that it is as it was");
  assert.ok(readdirSync("/proc/self/fd").length <= open + 2, "descriptors stayed");
}
