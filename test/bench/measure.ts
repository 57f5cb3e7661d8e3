/** What every file in `measures/` gives. */
import type { Place } from "./affinity.ts";
import type { Row } from "./rows.ts";
import type { Bench, Subject } from "./subjects.ts";

export interface Conditions {
  readonly bench: Bench;
  readonly quick: boolean;
  readonly place: Place;
  readonly subjects: readonly Subject[];
}

export interface Measure {
  /** For `--only`. */
  readonly name: string;
  readonly summary: string;
  /** Where it is taken: memory does not depend on the number of cores. */
  readonly places: readonly Place[];
  run(conditions: Conditions): Promise<Row[]>;
}
