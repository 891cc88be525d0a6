import { expect, test } from "vitest";
import { asProblem, type Code, Problem, WORDS } from "../../src/shared/problem";

const CODES = Object.keys(WORDS) as Code[];

test.each(CODES)("%s is told in one or two plain sentences with one short button", (code) => {
  const { sentence, button } = WORDS[code];
  expect(sentence).toMatch(/^[A-Z].*\.$/);
  expect(sentence.length).toBeLessThan(130);
  expect(sentence.split(/\.\s/).length).toBeLessThanOrEqual(2);
  expect(button).toMatch(/^[A-Z]/);
  expect(button.length).toBeLessThan(20);
});

test("every sentence is its own", () => {
  expect(new Set(CODES.map((code) => WORDS[code].sentence)).size).toBe(CODES.length);
});

test("any error becomes a problem, and a problem stays what it is", () => {
  const problem = new Problem("overloaded", "busy", 2);
  expect(asProblem(problem, "service-down")).toBe(problem);
  expect(problem.retryAfter).toBe(2);
  const other = asProblem(new TypeError("odd"), "device-failed");
  expect([other.code, other.message, other.cause instanceof TypeError]).toEqual(["device-failed", "odd", true]);
});
