/** The result of a measure: one row per subject, and the target it is held to. */
import type { Place } from "./affinity.ts";
import { ratioOf, type Spread, spreadOf } from "./statistics.ts";
import { DIRECT, type Subject } from "./subjects.ts";

export interface Row {
  readonly measure: string;
  readonly place: Place | "";
  readonly subject: string;
  readonly unit: string;
  readonly value: Spread;
  /** Against the direct subject, repetition by repetition. */
  readonly ratio: Spread | undefined;
}

/** Rows out of interleaved values, with the ratio to `direct` where that was measured. */
export function rowsOf(
  measure: string,
  place: Place | "",
  unit: string,
  values: ReadonlyMap<Subject, readonly number[]>,
): Row[] {
  const base = [...values].find(([subject]) => subject.name === DIRECT)?.[1];
  return [...values].map(([subject, own]) => ({
    measure,
    place,
    subject: subject.name,
    unit,
    value: spreadOf(own),
    ratio: base === undefined || base === own ? undefined : ratioOf(own, base),
  }));
}

/**
 * Rows where it is the difference to a base that counts, not the ratio: the base, and the others as what they cost on top
 * of it, repetition by repetition.
 */
export function rowsOver(
  baseName: string,
  measure: string,
  place: Place | "",
  unit: string,
  values: ReadonlyMap<string, readonly number[]>,
): Row[] {
  const base = values.get(baseName) ?? [];
  const row = (subject: string, own: readonly number[]): Row => {
    return { measure, place, subject, unit, value: spreadOf(own), ratio: undefined };
  };
  return [...values].map(([subject, own]) =>
    own === base
      ? row(subject, own)
      : row(`${subject}, on top`, own.map((value, i) => value - (base[i] ?? NaN)))
  );
}
