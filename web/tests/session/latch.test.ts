import { expect, test } from "vitest";
import { Latch } from "../../src/session/latch";

test("a latch takes a label that stands, and no single odd frame", () => {
  const latch = new Latch();
  expect(latch.update("art", 0)).toBe(false);
  expect(latch.update("art", 250)).toBe(true);
  expect(latch.label).toBe("art");
  expect(latch.update("text", 300)).toBe(false);
  expect(latch.update("art", 333)).toBe(false);
  expect(latch.update("text", 366)).toBe(false);
  expect(latch.update("text", 500)).toBe(false);
  expect(latch.label).toBe("art");
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
  expect(latch.force("plant")).toBe(true);
  expect(latch.force("plant")).toBe(false);
});
