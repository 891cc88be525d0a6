/** Paints where in the picture a label was seen: bright and in its colour there, dimmed elsewhere. Past React. */

import type { Evidence } from "../shared/answer";

export const SIDE = 56; // px of the map; the browser scales it to the picture
const SETTLE = 110; // ms in which two thirds of a change are shown
const EVERY_MS = 30; // between two drawings: as often as a camera sends pictures
const STILL = 0.004; // a smaller change can't be seen
const CONTRAST = 1.5; // power of what is shown of a part; more sets the places that count off against the rest
const DIM = 0.7; // how dark the picture gets where nothing speaks for the label, 0..1
const TINT = 0.3; // of the label's colour where most does

export class EvidencePainter {
  private readonly context: CanvasRenderingContext2D | null;
  private readonly image: ImageData;
  private target = new Float32Array(0); // [height, width], 0..1
  private now = new Float32Array(0); // what is shown, on its way to the target
  private grid = { height: 0, width: 0 };
  private weights: { rows: Float32Array[]; columns: Float32Array[] } = { rows: [], columns: [] };
  private shown = 0; // target of how much of it all is shown: 0 for none of these
  private shownNow = 0;
  private colour: readonly [number, number, number] = [255, 255, 255];
  private painted = Number.NEGATIVE_INFINITY;
  private clear = true;

  /** @param canvas gets SIDE x SIDE px */
  constructor(canvas: HTMLCanvasElement) {
    canvas.width = canvas.height = SIDE;
    this.context = canvas.getContext("2d");
    this.image = new ImageData(SIDE, SIDE);
  }

  /** @param colour of the label, #rrggbb. Without evidence, or where none of it speaks for the label, it fades away. */
  set(evidence: Evidence | null, colour: string): void {
    const strengths = evidence && strengthsOf(evidence);
    this.shown = strengths ? 1 : 0;
    if (!evidence || !strengths) return;
    this.resize(evidence);
    this.target = strengths;
    const of = (at: number): number => Number.parseInt(colour.slice(at, at + 2), 16);
    this.colour = [of(1), of(3), of(5)];
  }

  /** Goes a step towards what was set. @param now ms @param reduced all of the way */
  paint(now: number, reduced = false): void {
    if (now - this.painted < EVERY_MS) return;
    const part = reduced ? 1 : 1 - Math.exp(-Math.min(100, now - this.painted) / SETTLE);
    this.painted = now;
    let moved = Math.abs(this.shown - this.shownNow);
    this.shownNow += (this.shown - this.shownNow) * part;
    if (this.shownNow < 0.01 && !this.shown) {
      if (!this.clear) this.context?.clearRect(0, 0, SIDE, SIDE);
      this.clear = true;
      return;
    }
    for (let index = 0; index < this.now.length; index++) {
      const way = (this.target[index] ?? 0) - (this.now[index] ?? 0);
      this.now[index] = (this.now[index] ?? 0) + way * part;
      moved = Math.max(moved, Math.abs(way));
    }
    if (moved < STILL && !this.clear) return;
    this.draw();
    this.clear = false;
  }

  private resize({ height, width }: Evidence): void {
    if (height === this.grid.height && width === this.grid.width) return;
    this.grid = { height, width };
    this.now = new Float32Array(height * width);
    this.weights = { rows: weightsOf(height), columns: weightsOf(width) };
  }

  private draw(): void {
    const { rows, columns } = this.weights;
    const { height, width } = this.grid;
    const [red, green, blue] = this.colour;
    const { data } = this.image;
    const across = new Float32Array(width);
    for (let y = 0, at = 0; y < SIDE; y++) {
      const down = rows[y] as Float32Array;
      for (let column = 0; column < width; column++) {
        let sum = 0;
        for (let row = 0; row < height; row++)
          sum += (down[row] as number) * (this.now[row * width + column] as number);
        across[column] = sum;
      }
      for (let x = 0; x < SIDE; x++, at += 4) {
        const along = columns[x] as Float32Array;
        let strength = 0;
        for (let column = 0; column < width; column++)
          strength += (along[column] as number) * (across[column] as number);
        // A light of the label's colour in a dark: how much of each, as one colour that lies over the picture.
        const light = Math.min(1, Math.max(0, strength)) ** CONTRAST;
        const [dim, tint] = [DIM * (1 - light), TINT * light];
        const share = tint / (dim + tint);
        data[at] = red * share;
        data[at + 1] = green * share;
        data[at + 2] = blue * share;
        data[at + 3] = 255 * this.shownNow * (dim + tint);
      }
    }
    this.context?.putImageData(this.image, 0, 0);
  }
}

/** What speaks for the label, as parts of the most; what speaks against it counts as nothing. Null where nothing does. */
export function strengthsOf({ values, height, width }: Evidence): Float32Array<ArrayBuffer> | null {
  const strengths = Float32Array.from({ length: height * width }, (_, index) => Math.max(0, values[index] ?? 0));
  const most = Math.max(...strengths);
  if (!(most > 0 && Number.isFinite(most))) return null;
  return strengths.map((value) => value / most);
}

/** [SIDE][count]: how much each of `count` cells gives to each pixel; cubic B-spline, which is smooth and overshoots nowhere. */
function weightsOf(count: number): Float32Array[] {
  return Array.from({ length: SIDE }, (_, pixel) => {
    const weights = new Float32Array(count);
    const place = ((pixel + 0.5) / SIDE) * count - 0.5;
    for (let cell = Math.floor(place) - 1; cell <= Math.floor(place) + 2; cell++) {
      const inside = Math.min(count - 1, Math.max(0, cell)); // beyond the edge it goes on as at the edge
      weights[inside] = (weights[inside] ?? 0) + spline(Math.abs(place - cell));
    }
    return weights;
  });
}

function spline(distance: number): number {
  if (distance < 1) return 2 / 3 - distance ** 2 + distance ** 3 / 2;
  return distance < 2 ? (2 - distance) ** 3 / 6 : 0;
}
