/** Does this device get the pipeline's numbers? */

import type { GoldenFrame } from "./messages";

/** Largest difference of a probability or of `id_score`; infinite where their number differs or one is none. */
export function difference(
  golden: Pick<GoldenFrame, "probabilities" | "id_score">,
  probabilities: ArrayLike<number>,
  id_score: number,
): number {
  if (probabilities.length !== golden.probabilities.length) return Number.POSITIVE_INFINITY;
  let largest = Math.abs(id_score - golden.id_score);
  golden.probabilities.forEach((expected, index) => {
    largest = Math.max(largest, Math.abs((probabilities[index] as number) - expected));
  });
  return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
}
