/** Interleaving, medians, and ratios that are taken within one repetition: the machine's moods cancel out. */

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? NaN;
    return below + ((sorted[Math.ceil(place)] ?? NaN) - below) * (place % 1);
  };
  return { median: at(0.5), low: at(0), high: at(1) };
}

/** The spread of `values[i] / base[i]`: each pair was measured side by side. */
export function ratioOf(values: readonly number[], base: readonly number[]): Spread {
  return spreadOf(values.map((value, i) => value / (base[i] ?? NaN)));
}

/**
 * Measures all subjects in turn, `repetitions` times, forth and back (A B C C B A): a machine that warms up or slows
 * down meanwhile does it to all of them alike.
 *
 * @returns One value per subject and repetition, the mean of its two turns.
 */
export async function interleave<S>(
  subjects: readonly S[],
  repetitions: number,
  measure: (subject: S) => Promise<number>,
): Promise<Map<S, number[]>> {
  const values = new Map<S, number[]>(subjects.map((subject) => [subject, []]));
  for (let i = 0; i < repetitions; i++) {
    const sums = new Map<S, number>();
    for (const subject of [...subjects, ...subjects.toReversed()]) {
      sums.set(subject, (sums.get(subject) ?? 0) + await measure(subject));
    }
    for (const [subject, sum] of sums) values.get(subject)?.push(sum / 2);
  }
  return values;
}
