import { beforeEach, expect, test, vi } from "vitest";
import { EvidencePainter, fill, strengthsOf } from "../../src/ui/evidence-painter";

let cells: Uint8ClampedArray; // what was put on the canvas, before it is scaled up
const canvas = { width: 0, height: 0 };

class FakeImage {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;

  constructor(width: number, height: number) {
    [this.width, this.height] = [width, height];
    this.data = new Uint8ClampedArray(4 * width * height);
  }
}

const drawImage = vi.fn();

function made(): EvidencePainter {
  const context = {
    putImageData: ({ data }: FakeImage) => {
      cells = data.slice();
    },
    drawImage,
  };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
  return new EvidencePainter(Object.assign(canvas, { getContext: () => context }) as unknown as HTMLCanvasElement);
}

/** A map of 7 x 7 with one hot cell. */
function hot(row: number, column: number) {
  const values = new Float32Array(49).fill(-1);
  values[7 * row + column] = 5;
  return { label: "art", height: 7, width: 7, values };
}

/** Opacity of a cell, 0..255. */
const opacity = (row: number, column: number): number => cells[4 * (9 * (row + 1) + column + 1) + 3] ?? 0;

beforeEach(() => {
  drawImage.mockClear();
  vi.stubGlobal("ImageData", FakeImage);
});

test("the picture stays bright where the label was seen, and is dimmed elsewhere", () => {
  const painter = made();
  painter.set(hot(1, 5), "#ff8040");
  painter.paint(0, true);
  expect(opacity(1, 5)).toBeLessThan(opacity(5, 1) - 20);
  expect(opacity(5, 1)).toBeGreaterThan(150);
});

test("cells are scaled up in steps, to a canvas that has eight pixels for each", () => {
  const painter = made();
  painter.set(hot(1, 5), "#ff8040");
  painter.paint(0, true);
  expect([canvas.width, canvas.height, drawImage.mock.calls.length]).toEqual([56, 56, 4]);
});

test("it goes from one place to the next in steps, not at once", () => {
  const painter = made();
  painter.set(hot(0, 0), "#ffffff");
  painter.paint(0, true);
  const before = opacity(0, 0);
  painter.set(hot(6, 6), "#ffffff");
  painter.paint(40);
  const between = opacity(0, 0);
  for (const now of [1000, 1100, 1200]) painter.paint(now);
  expect(between).toBeGreaterThan(before);
  expect(opacity(0, 0)).toBeGreaterThan(between);
});

test("with none of these it fades to nothing", () => {
  const painter = made();
  painter.set(hot(3, 3), "#ffffff");
  painter.paint(0, true);
  painter.set(null, "#ffffff");
  painter.paint(40);
  expect(opacity(0, 0)).toBeGreaterThan(0);
  for (let now = 80; now < 2000; now += 40) painter.paint(now);
  expect(Math.max(...cells.filter((_, at) => at % 4 === 3))).toBe(0);
});

test("what does not change is not drawn again, and nothing more often than a camera sends pictures", () => {
  const painter = made();
  painter.set(hot(3, 3), "#ffffff");
  for (let now = 0; now < 3000; now += 10) painter.paint(now);
  const drawn = drawImage.mock.calls.length;
  expect(drawn).toBeLessThanOrEqual(4 * 100);
  for (let now = 3000; now < 6000; now += 10) painter.paint(now);
  expect(drawImage.mock.calls.length).toBe(drawn);
});

test("the colour is the label's where most speaks for it", () => {
  const cells = new FakeImage(4, 3); // two cells, and what is round them
  fill(cells as ImageData, Float32Array.of(1, 0), "#ff8040", 1);
  const pixels = Array.from({ length: 4 }, (_, at) => [...cells.data.slice(16 + 4 * at, 20 + 4 * at)]);
  expect(pixels).toEqual([1, 1, 0, 0].map((lit) => (lit ? [255, 128, 64, 76] : [0, 0, 0, 178])));
});

test("evidence that speaks against the label everywhere shows nothing", () => {
  expect(strengthsOf({ label: "art", height: 1, width: 2, values: [-1, -2] })).toBeNull();
  expect(strengthsOf({ label: "art", height: 1, width: 2, values: [Number.NaN, 1] })).toBeNull();
  expect([...(strengthsOf({ label: "art", height: 1, width: 3, values: [-1, 2, 4] }) ?? [])]).toEqual([0, 0.5, 1]);
});
