import { expect, test } from "vitest";
import { Ring } from "../../src/results/ring";

test("what was pushed comes out oldest first, before it is full", () => {
  const ring = new Ring(2, 4);
  ring.push([1, 10]);
  ring.push([2, 20]);
  expect([...ring.column(0)]).toEqual([1, 2]);
  expect([...ring.column(1)]).toEqual([10, 20]);
  expect(ring.length).toBe(2);
});

test("a full ring keeps the newest rows, in one piece at every place of the seam", () => {
  const ring = new Ring(1, 4);
  for (let value = 0; value < 23; value++) {
    ring.push([value]);
    const from = Math.max(0, value - 3);
    expect([...ring.column(0)]).toEqual(Array.from({ length: value - from + 1 }, (_, index) => from + index));
  }
});

test("columns are views: nothing is copied", () => {
  const ring = new Ring(1, 8);
  ring.push([1]);
  expect(ring.column(0).buffer).toBe(ring.column(0).buffer);
});

test("the newest rows alone", () => {
  const ring = new Ring(1, 4);
  for (const value of [1, 2, 3, 4, 5, 6]) ring.push([value]);
  expect([...ring.column(0, 2)]).toEqual([5, 6]);
  expect([...ring.column(0, 0)]).toEqual([]);
  expect([...ring.column(0, 9)]).toEqual([3, 4, 5, 6]);
});

test("rows since a time", () => {
  const ring = new Ring(1, 8);
  for (const time of [1, 2, 2, 3, 5]) ring.push([time]);
  expect([0, 1, 2, 2.5, 5, 6].map((time) => ring.since(0, time))).toEqual([5, 5, 4, 2, 1, 0]);
});

test("what a row lacks is NaN, not what stood there before", () => {
  const ring = new Ring(2, 1);
  ring.push([1, 2]);
  ring.push([3]);
  expect([...ring.column(1)]).toEqual([Number.NaN]);
});

test("a column that is not there is an error", () => {
  expect(() => new Ring(1, 1).column(1)).toThrow(RangeError);
});
