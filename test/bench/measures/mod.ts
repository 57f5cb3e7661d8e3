import type { Measure } from "../measure.ts";
import { admission } from "./admission.ts";
import { calls } from "./calls.ts";
import { decide } from "./decide.ts";
import { firstCall } from "./first-call.ts";
import { frames } from "./frames.ts";
import { hashing } from "./hashing.ts";
import { large } from "./large.ts";
import { memory } from "./memory.ts";
import { real } from "./real.ts";
import { stalled } from "./stalled.ts";
import { shared } from "./shared.ts";
import { start } from "./start.ts";
import { strangers } from "./strangers.ts";

/** In the order they are taken. */
export const MEASURES: readonly Measure[] = [
  start,
  firstCall,
  calls,
  large,
  real,
  memory,
  stalled,
  shared,
  decide,
  admission,
  frames,
  hashing,
  strangers,
];
