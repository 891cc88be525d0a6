import { expect, test } from "vitest";
import { Backoff } from "../../src/shared/backoff";

test("waits twice as long after each failure, up to a limit", () => {
  const backoff = new Backoff(() => 1);
  expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000]);
});

test("chance takes away up to half, so that pages do not come back together", () => {
  expect(new Backoff(() => 0).next()).toBe(250);
});

test("what the service asks for is waited at least", () => {
  expect(new Backoff(() => 0).next(3000)).toBe(3000);
});

test("begins again once it worked", () => {
  const backoff = new Backoff(() => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(500);
});
