import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HoldButton } from "../../src/teach/hold-button";

const begin = vi.fn();
const end = vi.fn();
const button = (): HTMLElement => screen.getByTestId("hold");
const calls = (): number[] => [begin.mock.calls.length, end.mock.calls.length];

function Held({ ready }: { ready: boolean }) {
  const [on, setOn] = useState(false);
  const change = (told: () => void, next: boolean) => () => {
    told();
    setOn(next);
  };
  return (
    <HoldButton on={on} ready={ready} begin={change(begin, true)} end={change(end, false)}>
      {(latched) => (latched ? "press to stop" : "hold")}
    </HoldButton>
  );
}

beforeEach(() => {
  vi.clearAllMocks();
  vi.spyOn(performance, "now").mockReturnValue(0);
  render(<Held ready />);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const later = (ms: number): void => void vi.spyOn(performance, "now").mockReturnValue(ms);

test.each([
  ["a pointer", () => fireEvent.pointerDown(button(), { button: 0 }), () => fireEvent.pointerUp(button())],
  ["Space", () => fireEvent.keyDown(button(), { key: " " }), () => fireEvent.keyUp(button(), { key: " " })],
  ["Enter", () => fireEvent.keyDown(button(), { key: "Enter" }), () => fireEvent.keyUp(button(), { key: "Enter" })],
])("%s that holds it begins, and ends when it is let go", (_, down, up) => {
  down();
  expect(button()).toHaveAttribute("aria-pressed", "true");
  fireEvent.keyDown(button(), { key: " ", repeat: true });
  later(900);
  expect(calls()).toEqual([1, 0]);
  up();
  expect(calls()).toEqual([1, 1]);
});

test("a tap begins, and the next one ends", () => {
  fireEvent.pointerDown(button(), { button: 0 });
  fireEvent.pointerUp(button());
  fireEvent.lostPointerCapture(button());
  expect(button()).toHaveTextContent("press to stop");
  expect(calls()).toEqual([1, 0]);
  later(5000);
  fireEvent.pointerDown(button(), { button: 0 });
  fireEvent.pointerUp(button());
  expect(calls()).toEqual([1, 1]);
});

test("a screen reader's click begins, and the next one ends", () => {
  fireEvent.click(button(), { detail: 0 });
  expect(calls()).toEqual([1, 0]);
  fireEvent.click(button(), { detail: 0 });
  expect(calls()).toEqual([1, 1]);
});

test("what takes the pointer or the focus away ends it; another button than the first does nothing", () => {
  fireEvent.pointerDown(button(), { button: 2 });
  expect(calls()).toEqual([0, 0]);
  fireEvent.pointerDown(button(), { button: 0 });
  later(900);
  fireEvent.lostPointerCapture(button());
  expect(calls()).toEqual([1, 1]);
  fireEvent.keyDown(button(), { key: " " });
  later(2000);
  fireEvent.blur(button());
  expect(calls()).toEqual([2, 2]);
});

test("one that is not ready keeps the focus and does nothing", () => {
  cleanup();
  render(<Held ready={false} />);
  button().focus();
  fireEvent.keyDown(button(), { key: " " });
  fireEvent.keyUp(button(), { key: " " });
  expect([document.activeElement, ...calls()]).toEqual([button(), 0, 0]);
});
