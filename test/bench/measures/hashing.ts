/** The first digest of a large executable whose pages are in memory, and how long it holds up the main thread. */
import { Buffer } from "node:buffer";
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createDigests } from "../../../sidecar/platform/digests.ts";
import type { Place } from "../affinity.ts";
import type { Measure } from "../measure.ts";
import type { Row } from "../rows.ts";
import { spreadOf } from "../statistics.ts";

const BYTES = 100_000_000;

export const hashing: Measure = {
  name: "hashing",
  summary: "the first digest of a 100 MB executable",
  places: ["one core", "free"],
  async run({ bench, quick, place }): Promise<Row[]> {
    const file = join(bench.folder, "large-executable");
    writeFileSync(file, largeExecutable(), { mode: 0o700 });
    const taken: Taken[] = [];
    for (let i = 0; i < (quick ? 3 : 7); i++) taken.push(await digestOnce(file, place));
    const row = (subject: string, of: keyof Taken): Row => {
      const value = spreadOf(taken.map((each) => each[of]));
      return { measure: "first digest of 100 MB", place, subject, unit: "ms", value, ratio: undefined };
    };
    return [row("until it is there", "wholeMs"), row("longest stall of the main thread", "stallMs")];
  },
};

/** This runtime, cut or lengthened: its tables are in order, so that its content is searched as well. */
function largeExecutable(): Buffer {
  const file = Buffer.alloc(BYTES);
  readFileSync(process.execPath).copy(file);
  return file;
}

interface Taken {
  readonly wholeMs: number;
  readonly stallMs: number;
}

async function digestOnce(file: string, place: Place): Promise<Taken> {
  warm(file);
  const digests = createDigests({ folder: () => undefined });
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let last = begun;
  let stallMs = 0;
  const look = (): void => {
    const now = performance.now();
    stallMs = Math.max(stallMs, now - last);
    last = now;
  };
  const watch = setInterval(look, 1);
  try {
    await digests.fileDigest(file, { running: true });
    look();
    const { user, system } = process.cpuUsage(cpu);
    return { wholeMs: place === "one core" ? (user + system) / 1000 : last - begun, stallMs };
  } finally {
    clearInterval(watch);
    digests.close();
  }
}

function warm(file: string): void {
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(file, "r");
  while (readSync(fd, buffer) > 0);
  closeSync(fd);
}
