/** Percentiles of the last so many numbers. */

let scratch = new Float64Array(1024);

/**
 * Percentiles by the nearest rank: the smallest number that at least `p` percent of all are not above. NaN where
 * there are no numbers; numbers that are NaN do not count. The input stays as it is.
 *
 * @param wanted percents, 0..100
 */
export function percentiles(numbers: Float64Array, wanted: readonly number[]): number[] {
  if (scratch.length < numbers.length) scratch = new Float64Array(2 * numbers.length);
  let count = 0;
  for (const number of numbers) if (!Number.isNaN(number)) scratch[count++] = number;
  const sorted = scratch.subarray(0, count).sort();
  return wanted.map((percent) => sorted[Math.max(0, Math.ceil((percent / 100) * count) - 1)] ?? Number.NaN);
}
