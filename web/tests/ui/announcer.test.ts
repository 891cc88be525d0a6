import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Announcer } from "../../src/ui/announcer";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("the first word is said at once, and of a flood only the last", () => {
  const said: string[] = [];
  const announcer = new Announcer((text) => said.push(text));
  announcer.say("art");
  vi.advanceTimersByTime(1);
  for (const word of ["text", "plant", "text", "plant"]) {
    announcer.say(word);
    vi.advanceTimersByTime(100);
  }
  vi.advanceTimersByTime(3000);
  expect(said).toEqual(["art", "plant"]);
});

test("a word that came back meanwhile is not said twice", () => {
  const speak = vi.fn();
  const announcer = new Announcer(speak);
  announcer.say("art");
  vi.advanceTimersByTime(1);
  announcer.say("text");
  announcer.say("art");
  vi.advanceTimersByTime(5000);
  expect(speak).toHaveBeenCalledTimes(1);
});
