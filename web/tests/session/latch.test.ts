import { expect, test } from "vitest";
import { Latch } from "../../src/session/latch";

test("a latch takes a label that stands, and no single odd frame", () => {
  const latch = new Latch();
  const after = (label: string | null, now: number): string | null => {
    latch.update(label, now);
    return latch.label;
  };
  expect([after("art", 0), after("art", 250)]).toEqual([null, "art"]);
  expect([after("text", 300), after("art", 333), after("text", 366), after("text", 500)]).toEqual(Array(4).fill("art"));
  expect(after("text", 566)).toBe("text");
});

test("a latch lets go to none of these just as slowly", () => {
  const latch = new Latch();
  latch.force("art");
  latch.update(null, 0);
  expect(latch.label).toBe("art");
  latch.update(null, 300);
  expect(latch.label).toBeNull();
});

test("a still counts at once", () => {
  const latch = new Latch();
  latch.force("plant");
  expect(latch.label).toBe("plant");
});
