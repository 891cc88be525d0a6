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
  private readonly context: CanvasRenderingContext2D | null;
  private target = new Float32Array(0); // [height, width], 0..1
  private now = new Float32Array(0); // what is shown, on its way to the target
  private cells = new ImageData(1, 1); // a pixel a cell
  private shown = 0; // target of how much of it all is shown: 0 for none of these
  private shownNow = 0;
  private colour = "#ffffff";
  private painted = Number.NEGATIVE_INFINITY;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /** @param colour of the label, #rrggbb. Without evidence, or where none of it speaks for the label, it fades away. */
  set(evidence: Evidence | null, colour: string): void {
    const strengths = evidence && strengthsOf(evidence);
    this.shown = strengths ? 1 : 0;
    if (!evidence || !strengths) return;
    const { height, width } = evidence;
    if (height !== this.cells.height || width !== this.cells.width) {
      this.cells = new ImageData(width, height);
      this.now = new Float32Array(strengths.length);
      this.canvas.width = width << DOUBLED;
      this.canvas.height = height << DOUBLED;
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
    fill(this.cells.data, this.now, this.colour, this.shownNow);
    this.draw();
  }

  /** Cells to pixels: doubled over and over, which comes near a smooth curve through them in every browser. */
  private draw(): void {
    const { canvas, context, cells } = this;
    if (!context) return;
    context.globalCompositeOperation = "copy";
    context.putImageData(cells, 0, 0);
    for (let { width, height } = cells; width < canvas.width; width *= 2, height *= 2) {
      context.drawImage(canvas, 0, 0, width, height, 0, 0, 2 * width, 2 * height);
    }
  }
}

/** RGBA of each cell: a light of the label's colour in a dark, as one colour that lies over the picture. */
export function fill(data: Uint8ClampedArray, strengths: Float32Array, colour: string, shown: number): void {
  strengths.forEach((strength, cell) => {
    const light = strength ** CONTRAST;
    const [dim, tint] = [DIM * (1 - light), TINT * light];
    [1, 3, 5].forEach((at, channel) => {
      data[4 * cell + channel] = (Number.parseInt(colour.slice(at, at + 2), 16) * tint) / (dim + tint);
    });
    data[4 * cell + 3] = 255 * shown * (dim + tint);
  });
}

/** What speaks for the label, as parts of the most; what speaks against it counts as nothing. Null where nothing does. */
export function strengthsOf({ values, height, width }: Evidence): Float32Array<ArrayBuffer> | null {
  const strengths = Float32Array.from({ length: height * width }, (_, index) => Math.max(0, values[index] ?? 0));
  const most = Math.max(...strengths);
  if (!(most > 0 && Number.isFinite(most))) return null;
  return strengths.map((value) => value / most);
}
