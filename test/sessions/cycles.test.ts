/** A hundred sessions, one after the other and a few at a time; a thousand are `npm run soak`. */
import { suite } from "uvu";
import { limited, withTempDir } from "../harness.ts";
import { ENDINGS, runCycles } from "./cycles.ts";

const COUNT = 100;

const it = suite("start and stop");
it(
  `${COUNT} guards, ended in every way, leave no process, no socket and a log that verifies`,
  limited(110_000, () =>
    withTempDir((folder) => {
      const plan = Array.from({ length: COUNT }, (_, at) => ENDINGS[at % ENDINGS.length] ?? "end of input");
      let at = 0;
      // Moments spread evenly: no run is luckier than another.
      return runCycles({ folder, plan, atATime: 3, random: () => (at++ % 25) / 25 });
    })),
);
it.run();
