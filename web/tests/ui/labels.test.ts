import { wcagContrast } from "culori";
import { describe, expect, test } from "vitest";
import { chosen, colourOf, hue, SHOWN, strength, weight } from "../../src/ui/labels";

const PARTS = Array.from({ length: 25 }, (_, step) => step / 24);

describe.each(["#fbfaf8", "#0c0c0d", "#000000"])("on %s paper", (paper) => {
  test.each([2, 3, 5, 10, 40])("each of %i labels stays readable at every probability", (count) => {
    for (let index = 0; index < count; index++) {
      for (const part of PARTS) {
        expect(wcagContrast(colourOf(index, count, paper, part), paper)).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  test("a label at chance is grey, and at one has a hue of its own", () => {
    const [greys, hues] = [0, 1].map((part) => [0, 1, 2].map((index) => colourOf(index, 3, paper, part))) as [
      string[],
      string[],
    ];
    const spread = (hex: string) => {
      const channels = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
      return Math.max(...channels) - Math.min(...channels);
    };
    for (const grey of greys) expect(spread(grey)).toBeLessThan(4);
    for (const colour of hues) expect(spread(colour)).toBeGreaterThan(90);
    expect(new Set(hues).size).toBe(3);
  });
});

test("hues are spread over the circle, neighbours in a long list too", () => {
  expect([0, 1, 2].map((index) => hue(index, 3))).toEqual([27, 147, 267]);
  for (let index = 1; index < 40; index++) {
    const apart = Math.abs(hue(index, 40) - hue(index - 1, 40));
    expect(Math.min(apart, 360 - apart)).toBeGreaterThan(90);
  }
});

test("strength is nothing at chance and below, and all at certainty", () => {
  for (const [probability, part] of [
    [0, 0],
    [1 / 3, 0],
    [2 / 3, 0.5],
    [1, 1],
  ] as const) {
    expect(strength(probability, 3)).toBeCloseTo(part);
  }
});

test("weight grows from light to black", () => {
  expect([weight(0), weight(1)]).toEqual([300, 900]);
});

test("few labels are all shown, in their order", () => {
  expect(chosen([0.1, 0.2, 0.7], [])).toEqual([0, 1, 2]);
});

test("of many labels the likeliest five are shown, in the order of the labels", () => {
  const probabilities = new Float32Array(40);
  for (const [index, value] of [
    [30, 0.4],
    [7, 0.2],
    [39, 0.15],
    [2, 0.1],
    [20, 0.08],
  ] as const)
    probabilities[index] = value;
  expect(chosen(probabilities, [0, 1, 2, 3, 4])).toEqual([2, 7, 20, 30, 39]);
  expect(chosen(probabilities, [])).toHaveLength(SHOWN);
});

test("a label that is hardly likelier takes no other's place", () => {
  const before = [0, 1, 2, 3, 4];
  expect(chosen([0.2, 0.2, 0.2, 0.15, 0.12, 0.13], before)).toEqual(before);
  expect(chosen([0.2, 0.2, 0.2, 0.15, 0.02, 0.23], before)).toEqual([0, 1, 2, 3, 5]);
});
