/** Paints where in the picture a label was seen: bright and in its colour there, dimmed elsewhere. Past React. */

import type { Evidence } from "../shared/answer";

const DOUBLED = 3; // times, a cell's side: each time with smoothing, so that no edge of a cell is left
const SETTLE = 110; // ms in which two thirds of a change are shown
const EVERY_MS = 30; // between two drawings: as often as a camera sends pictures
const STILL = 0.004; // a smaller change can't be seen
const CONTRAST = 1.5; // power of what is shown of a part; more sets the places that count off against the rest
const DIM = 0.7; // how dark the picture gets where nothing speaks for the label, 0..1
const TINT = 0.3; // of the label's colour where most does

export class EvidencePainter {
  private readonly canvas: HTMLCanvasElement;
  private readonly scratch = document.createElement("canvas");
  private target = new Float32Array(0); // [height, width], 0..1
  private now = new Float32Array(0); // what is shown, on its way to the target
  private cells = new ImageData(1, 1); // a pixel a cell, and those at the border twice, so that it has no other edge
  private shown = 0; // target of how much of it all is shown: 0 for none of these
  private shownNow = 0;
  private colour = "#ffffff";
  private painted = Number.NEGATIVE_INFINITY;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  /** @param colour of the label, #rrggbb. Without evidence, or where none of it speaks for the label, it fades away. */
  set(evidence: Evidence | null, colour: string): void {
    const strengths = evidence && strengthsOf(evidence);
    this.shown = strengths ? 1 : 0;
    if (!evidence || !strengths) return;
    const { height, width } = evidence;
    if (height !== this.cells.height - 2 || width !== this.cells.width - 2) {
      this.cells = new ImageData(width + 2, height + 2);
      this.now = new Float32Array(strengths.length);
      Object.assign(this.canvas, { width: width << DOUBLED, height: height << DOUBLED });
      Object.assign(this.scratch, { width: (width + 2) << DOUBLED, height: (height + 2) << DOUBLED });
    }
    this.target = strengths;
    this.colour = colour;
  }

  /** Goes a step towards what was set. @param now ms @param reduced all of the way */
  paint(now: number, reduced = false): void {
    if (now - this.painted < EVERY_MS) return;
    const part = reduced ? 1 : 1 - Math.exp(-Math.min(100, now - this.painted) / SETTLE);
    this.painted = now;
    let moved = Math.abs(this.shown - this.shownNow);
    this.target.forEach((target, index) => {
      const way = target - (this.now[index] as number);
      this.now[index] = (this.now[index] as number) + way * part;
      moved = Math.max(moved, Math.abs(way));
    });
    if (moved < STILL) return;
    this.shownNow += (this.shown - this.shownNow) * part;
    if (Math.abs(this.shown - this.shownNow) < STILL) this.shownNow = this.shown;
    fill(this.cells, this.now, this.colour, this.shownNow);
    this.draw();
  }

  /** Cells to pixels: doubled over and over, which comes near a smooth curve through them in every browser. */
  private draw(): void {
    const [shown, large] = [this.canvas, this.scratch].map((each) => each.getContext("2d"));
    if (!shown || !large) return;
    shown.globalCompositeOperation = large.globalCompositeOperation = "copy";
    large.putImageData(this.cells, 0, 0);
    for (let { width, height } = this.cells; width < this.scratch.width; width *= 2, height *= 2) {
      large.drawImage(this.scratch, 0, 0, width, height, 0, 0, 2 * width, 2 * height);
    }
    shown.drawImage(this.scratch, -1 << DOUBLED, -1 << DOUBLED);
  }
}

/** RGBA of each cell: a light of the label's colour in a dark, as one colour that lies over the picture. */
export function fill({ data, width, height }: ImageData, strengths: Float32Array, colour: string, shown: number): void {
  const inside = (at: number, count: number): number => Math.min(count - 1, Math.max(0, at));
  for (let pixel = 0; pixel < width * height; pixel++) {
    const row = inside(Math.floor(pixel / width) - 1, height - 2);
    const column = inside((pixel % width) - 1, width - 2);
    const light = (strengths[row * (width - 2) + column] as number) ** CONTRAST;
    const [dim, tint] = [DIM * (1 - light), TINT * light];
    [1, 3, 5].forEach((at, channel) => {
      data[4 * pixel + channel] = (Number.parseInt(colour.slice(at, at + 2), 16) * tint) / (dim + tint);
    });
    data[4 * pixel + 3] = 255 * shown * (dim + tint);
  }
}

/** What speaks for the label, as parts of the most; what speaks against it counts as nothing. Null where nothing does. */
export function strengthsOf({ values, height, width }: Evidence): Float32Array<ArrayBuffer> | null {
  const strengths = Float32Array.from({ length: height * width }, (_, index) => Math.max(0, values[index] ?? 0));
  const most = Math.max(...strengths);
  if (!(most > 0 && Number.isFinite(most))) return null;
  return strengths.map((value) => value / most);
}
