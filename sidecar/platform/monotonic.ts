/**
 * Milliseconds on a clock that only goes forward, with fractions, from an arbitrary start.
 *
 * Not `performance.now()`: on Node 20 the first use of `performance` costs a start some two milliseconds.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
