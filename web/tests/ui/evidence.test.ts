import { beforeEach, expect, test, vi } from "vitest";
import { EvidencePainter, SIDE, strengthsOf } from "../../src/ui/evidence-painter";

let shown: Uint8ClampedArray | null;

/** A canvas of which the test sees what is put on it. */
function canvas(): HTMLCanvasElement {
  const context = {
    putImageData: (image: { data: Uint8ClampedArray }) => {
      shown = image.data.slice();
    },
    clearRect: () => {
      shown = null;
    },
  };
  return { getContext: () => context } as unknown as HTMLCanvasElement;
}

class FakeImage {
  readonly data: Uint8ClampedArray;
  constructor(width: number, height: number) {
    this.data = new Uint8ClampedArray(4 * width * height);
  }
}

/** A map of 7 x 7 with one hot cell. */
function hot(row: number, column: number) {
  const values = new Float32Array(49).fill(-1);
  values[7 * row + column] = 5;
  return { label: "art", height: 7, width: 7, values };
}

/** Opacity at a cell's middle, 0..255. */
function opacity(row: number, column: number): number {
  const at = (cell: number): number => Math.floor(((cell + 0.5) / 7) * SIDE);
  return shown?.[4 * (at(row) * SIDE + at(column)) + 3] ?? 0;
}

beforeEach(() => {
  shown = null;
  vi.stubGlobal("ImageData", FakeImage);
});

test("the picture stays bright where the label was seen, and is dimmed elsewhere", () => {
  const painter = new EvidencePainter(canvas());
  painter.set(hot(1, 5), "#ff8040");
  painter.paint(0, true);
  expect(opacity(1, 5)).toBeLessThan(opacity(5, 1) - 20);
  expect(opacity(5, 1)).toBeGreaterThan(150);
});

test("it goes from one place to the next in steps, not at once", () => {
  const painter = new EvidencePainter(canvas());
  painter.set(hot(0, 0), "#ffffff");
  painter.paint(0, true);
  const before = opacity(0, 0);
  painter.set(hot(6, 6), "#ffffff");
  painter.paint(40);
  const between = opacity(0, 0);
  painter.paint(1000);
  painter.paint(1100);
  painter.paint(1200);
  expect(between).toBeGreaterThan(before);
  expect(opacity(0, 0)).toBeGreaterThan(between);
});

test("with none of these it fades to nothing", () => {
  const painter = new EvidencePainter(canvas());
  painter.set(hot(3, 3), "#ffffff");
  painter.paint(0, true);
  expect(shown).not.toBeNull();
  painter.set(null, "#ffffff");
  painter.paint(40);
  expect(opacity(0, 0)).toBeGreaterThan(0);
  for (let now = 80; now < 2000; now += 40) painter.paint(now);
  expect(shown).toBeNull();
});

test("evidence that speaks against the label everywhere shows nothing", () => {
  expect(strengthsOf({ label: "art", height: 1, width: 2, values: [-1, -2] })).toBeNull();
  expect(strengthsOf({ label: "art", height: 1, width: 2, values: [Number.NaN, 1] })).toBeNull();
  expect([...(strengthsOf({ label: "art", height: 1, width: 3, values: [-1, 2, 4] }) ?? [])]).toEqual([0, 0.5, 1]);
});
