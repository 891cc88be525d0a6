/** Does this device get the pipeline's numbers? */

import type { GoldenFrame } from "./device-messages";

/** Largest difference of a probability or of `known`; infinite where their number differs or one is none. */
export function difference(
  golden: Pick<GoldenFrame, "probabilities" | "known">,
  probabilities: ArrayLike<number>,
  known: number,
): number {
  if (probabilities.length !== golden.probabilities.length) return Number.POSITIVE_INFINITY;
  let largest = Math.abs(known - golden.known);
  golden.probabilities.forEach((expected, index) => {
    largest = Math.max(largest, Math.abs((probabilities[index] as number) - expected));
  });
  return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
}
