/** Why an answer is none of these, where a word was likely all the same. */

import type { Answer } from "../shared/answer";

const LIKELY = 0.5; // of the likeliest word; below it there is nothing to be surprised about

/** A sentence's second half, or "" where there is nothing to explain. */
export function rejection({ label, labels, probabilities, score, threshold }: Answer): string {
  if (label !== null || score >= threshold) return "";
  const highest = Math.max(...probabilities);
  if (!(highest >= LIKELY)) return "";
  const likeliest = (labels[probabilities.indexOf(highest)] ?? "").toUpperCase();
  return `looks most like ${likeliest}, but not sure enough: ${rounded(score, threshold)} of ${threshold.toFixed(2)}`;
}

/** Never rounded up to the threshold that it is below. */
function rounded(score: number, threshold: number): string {
  const below = Number(threshold.toFixed(2)) - 0.01;
  return Math.max(0, Math.min(Number(score.toFixed(2)), below)).toFixed(2);
}
