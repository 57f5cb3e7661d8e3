/**
 * A thousand guards started and ended, many of them by SIGKILL at a random moment: `npm run soak [-- --count N]`.
 *
 * Fails when one of them leaves a process, a socket or an audit log that does not verify. The seed is printed, so that
 * a run can be repeated; the moments are the same then, what the kernel makes of them is not.
 */
import { parseArgs } from "node:util";
import { withTempDir } from "./harness.ts";
import { type Ending, ENDINGS, runCycles } from "./sessions/cycles.ts";

const HELP = `Usage: tsx test/soak.ts [options]

  --count N        how many guards (1000)
  --at-a-time N    how many at once (3)
  --seed N         of an earlier run
`;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    "at-a-time": { type: "string", default: "3" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    help: { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(HELP);
else {await soak(
    whole("count", values.count),
    whole("at-a-time", values["at-a-time"]),
    whole("seed", values.seed),
  );}

async function soak(count: number, atATime: number, seed: number): Promise<void> {
  process.stdout.write(`${count} guards, ${atATime} at a time, seed ${seed}\n`);
  const random = mulberry32(seed);
  const plan: Ending[] = Array.from({ length: count }, () => ENDINGS[Math.floor(random() * ENDINGS.length)]!);
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
  await withTempDir((folder) =>
    runCycles({
      folder,
      plan,
      atATime,
      random,
      done: (done) => {
        if (done % 50 === 0) process.stdout.write(`  ${done} of ${count}, ${seconds()} s\n`);
      },
    })
  );
  const by = ENDINGS.map((ending) => `${plan.filter((it) => it === ending).length} by ${ending}`);
  process.stdout.write(`Ended: ${by.join(", ")}\nNothing is left, and the log verifies. ${seconds()} s\n`);
}

/** Small, known, and the same everywhere: for repeating a run, not for secrets. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function whole(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw new RangeError(`--${option} must be a whole number, not '${text}'`);
  }
  return number;
}
