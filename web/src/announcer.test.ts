import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Announcer } from "./announcer";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("the first word is said at once, and of a flood only the last", () => {
  const region = document.createElement("p");
  const said: string[] = [];
  const watch = (): void => {
    const text = region.textContent ?? "";
    if (text !== said.at(-1)) said.push(text);
  };
  const announcer = new Announcer(region);
  announcer.say("art");
  vi.advanceTimersByTime(1);
  watch();
  for (const word of ["text", "plant", "text", "plant"]) {
    announcer.say(word);
    vi.advanceTimersByTime(100);
    watch();
  }
  vi.advanceTimersByTime(3000);
  watch();
  expect(said).toEqual(["art", "plant"]);
});

test("a word that came back meanwhile is not said twice", () => {
  const region = document.createElement("p");
  const announcer = new Announcer(region);
  announcer.say("art");
  vi.advanceTimersByTime(1);
  const changed = vi.spyOn(region, "textContent", "set");
  announcer.say("text");
  announcer.say("art");
  vi.advanceTimersByTime(5000);
  expect(changed).not.toHaveBeenCalled();
});
