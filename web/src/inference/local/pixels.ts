/** From a picture to the numbers that the network takes. */

import { Problem } from "../../shared/problem";
import { drawSquare, type Picture } from "../../shared/square";

/** RGBA [n x 4] into RGB [n x 3]; what is transparent counts as opaque. */
export function dropAlpha(rgba: Uint8ClampedArray, rgb: Uint8Array): void {
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
  }
}

/** Reads pixels; one canvas serves all frames. For a worker: reading waits for the graphics processor. */
export class Pixels {
  private readonly size: number;
  private readonly context: OffscreenCanvasRenderingContext2D;
  /** [size, size, 3], of the last `read` */
  readonly rgb: Uint8Array;

  /** @param size px. Throws a Problem where there is no memory for it. */
  constructor(size: number) {
    this.size = size;
    this.rgb = new Uint8Array(size * size * 3);
    // In main memory, where the numbers are wanted.
    const context = new OffscreenCanvas(size, size).getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Problem("low-memory", "no canvas");
    this.context = context;
  }

  /** Closes the picture. */
  read(picture: Picture): void {
    try {
      drawSquare(this.context, picture);
    } finally {
      picture.close();
    }
    dropAlpha(this.context.getImageData(0, 0, this.size, this.size).data, this.rgb);
  }
}
