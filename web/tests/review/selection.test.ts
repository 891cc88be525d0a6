import { describe, expect, test } from "vitest";
import { carry, meant, moveTo, NONE, toggle } from "../../src/review/selection";

const IDS = ["a", "b", "c", "d", "e"];
const at = (id: string) => moveTo(NONE, IDS, IDS.indexOf(id), false);
const chosen = (of: { chosen: ReadonlySet<string> }): string => [...of.chosen].join("");

test("what has the focus is meant, until something is chosen", () => {
  expect(meant(at("b"), IDS)).toEqual(["b"]);
  expect(meant(toggle(toggle(at("b"), "d"), "a"), IDS)).toEqual(["a", "d"]);
  expect(meant(toggle(toggle(at("b"), "d"), "d"), IDS)).toEqual(["d"]);
});

test("the focus stays within the list", () => {
  expect(moveTo(at("a"), IDS, -1, false).focus).toBe("a");
  expect(moveTo(at("a"), IDS, Number.POSITIVE_INFINITY, false).focus).toBe("e");
  expect(moveTo(NONE, [], 3, false).focus).toBe("");
});

test("a range goes from where it began, either way, and follows the focus", () => {
  const down = moveTo(at("c"), IDS, 4, true);
  expect(chosen(down)).toBe("cde");
  expect(chosen(moveTo(down, IDS, 1, true))).toBe("bc");
});

describe("when the list changes", () => {
  test("the focus goes to what followed, else to what came before", () => {
    expect(carry(at("c"), IDS, ["a", "d", "e"]).focus).toBe("d");
    expect(carry(at("e"), IDS, ["a", "c"]).focus).toBe("c");
    expect(carry(NONE, [], IDS).focus).toBe("a");
    expect(carry(at("c"), IDS, []).focus).toBe("");
  });

  test("what is gone is not meant any more, and what stays is", () => {
    const some = toggle(toggle(at("a"), "b"), "d");
    expect(chosen(carry(some, IDS, ["d", "e"]))).toBe("d");
  });
});
