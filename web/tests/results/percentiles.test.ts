import { expect, test } from "vitest";
import { percentiles } from "../../src/results/percentiles";

test("nearest rank: half of 1 to 100 are not above 50", () => {
  const numbers = Float64Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentiles(numbers, [50, 95, 99, 100])).toEqual([50, 95, 99, 100]);
});

test("of one number all percentiles are that number", () => {
  expect(percentiles(Float64Array.of(7), [0, 50, 99])).toEqual([7, 7, 7]);
});

test("of none there are none", () => {
  expect(percentiles(new Float64Array(0), [50])).toEqual([Number.NaN]);
  expect(percentiles(Float64Array.of(Number.NaN), [50])).toEqual([Number.NaN]);
});

test("NaN does not count, and the input stays as it is", () => {
  const numbers = Float64Array.of(3, Number.NaN, 1, 2);
  expect(percentiles(numbers, [50])).toEqual([2]);
  expect([...numbers]).toEqual([3, Number.NaN, 1, 2]);
});

test("more numbers than ever before do not overflow", () => {
  const many = Float64Array.from({ length: 5000 }, (_, index) => index + 1);
  expect(percentiles(many, [50])).toEqual([2500]);
});
