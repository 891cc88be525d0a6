import { expect, test } from "vitest";
import { rejection } from "../../src/results/rejection";
import type { Answer } from "../../src/shared/answer";

function answer(label: string | null, probabilities: number[], score: number, threshold: number): Answer {
  return {
    label,
    labels: ["art", "plant", "text"],
    probabilities: Float32Array.from(probabilities),
    score,
    threshold,
  } as unknown as Answer;
}

test("a word that is likely but rejected is named, with what it lacks", () => {
  expect(rejection(answer(null, [0.87, 0.1, 0.03], 0.41, 0.55))).toBe(
    "looks most like ART, but not sure enough: 0.41 of 0.55",
  );
});

test("what is just below the threshold is not rounded up to it", () => {
  expect(rejection(answer(null, [0.87, 0.1, 0.03], 0.549, 0.55))).toMatch(/0\.54 of 0\.55$/);
});

test("there is nothing to explain where no word is likely, and where one counts", () => {
  expect(rejection(answer(null, [0.4, 0.3, 0.3], 0.41, 0.55))).toBe("");
  expect(rejection(answer("art", [0.9, 0.05, 0.05], 0.8, 0.55))).toBe("");
});
