import { describe, expect, test } from "vitest";
import { contrast, luminanceOf } from "../../src/ui/colour";
import { Chosen, hue, palette, SHOWN, STEPS, strength, type Theme, weight } from "../../src/ui/labels";

const PAPERS: [Theme, string][] = [
  ["light", "#fbfaf8"],
  ["dark", "#0c0c0d"],
];

describe.each(PAPERS)("on %s paper", (theme, paper) => {
  test.each([2, 3, 5, 10, 40])("each of %i labels stays readable at every probability", (count) => {
    const behind = luminanceOf(paper);
    for (let index = 0; index < count; index++) {
      const colours = palette(index, count, theme, behind);
      expect(colours).toHaveLength(STEPS);
      for (const colour of colours) expect(contrast(luminanceOf(colour), behind)).toBeGreaterThanOrEqual(4.5);
    }
  });

  test("a label at chance is grey, and at one has a hue of its own", () => {
    const ends = [0, 1, 2].map((index) => palette(index, 3, theme, luminanceOf(paper)));
    const greys = ends.map((colours) => colours[0] ?? "");
    const hues = ends.map((colours) => colours[STEPS - 1] ?? "");
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
  const chosen = new Chosen(3);
  expect(chosen.update([0.1, 0.2, 0.7])).toBe(false);
  expect(chosen.current).toEqual([0, 1, 2]);
});

test("of many labels the likeliest five are shown, in the order of the labels", () => {
  const chosen = new Chosen(40);
  const probabilities = new Float32Array(40);
  for (const [index, value] of [
    [30, 0.4],
    [7, 0.2],
    [39, 0.15],
    [2, 0.1],
    [20, 0.08],
  ] as const)
    probabilities[index] = value;
  expect(chosen.update(probabilities)).toBe(true);
  expect(chosen.current).toEqual([2, 7, 20, 30, 39]);
  expect(chosen.current).toHaveLength(SHOWN);
});

test("a label that is hardly likelier takes no other's place", () => {
  const chosen = new Chosen(6);
  expect(chosen.update([0.2, 0.2, 0.2, 0.15, 0.12, 0.13])).toBe(false);
  expect(chosen.update([0.2, 0.2, 0.2, 0.15, 0.02, 0.23])).toBe(true);
  expect(chosen.current).toEqual([0, 1, 2, 3, 5]);
});
