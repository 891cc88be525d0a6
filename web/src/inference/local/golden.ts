/** Does this device get the pipeline's numbers? */

/** What the pipeline got for a picture. */
export interface Golden {
  /** [labels] */
  probabilities: readonly number[];
  id_score: number;
}

/** Largest difference of a probability or of `id_score`; infinite where their number differs or one is none. */
export function difference(golden: Golden, probabilities: ArrayLike<number>, id_score: number): number {
  if (probabilities.length !== golden.probabilities.length) return Number.POSITIVE_INFINITY;
  const off = golden.probabilities.map((expected, index) => Math.abs((probabilities[index] as number) - expected));
  const largest = Math.max(Math.abs(id_score - golden.id_score), ...off);
  return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
}
