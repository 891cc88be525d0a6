import { expect, test } from "vitest";
import { csv, number } from "../../src/results/csv";

test("rows end as RFC 4180 wants it", () => {
  expect(csv(["a", "b"], [[1, 2.5]])).toBe("a,b\r\n1,2.5\r\n");
});

test("commas, quotes and line ends are quoted", () => {
  expect(csv(["a"], [['x,"y"\nz']])).toBe('a\r\n"x,""y""\nz"\r\n');
});

test("no label becomes a formula of a spreadsheet", () => {
  expect(csv(["=1+1", "@x"], [["-2", "+3"]])).toBe("'=1+1,'@x\r\n'-2,'+3\r\n");
});

test("NaN is an empty cell, and digits are kept within reason", () => {
  expect(number(Number.NaN, 3)).toBe("");
  expect(number(1 / 3, 3)).toBe("0.333");
  expect(csv(["a", "b"], [[Number.NaN, -0.5]])).toBe("a,b\r\n,-0.5\r\n");
});
