/** From a picture to the numbers that the network takes. */

import { Problem } from "../problems";

/** RGBA [n x 4] into RGB [n x 3]; what is transparent counts as opaque. */
export function dropAlpha(rgba: Uint8ClampedArray, rgb: Uint8Array): void {
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
  }
}

/** What can be drawn and sent to a worker: a frame of the camera as it is, or a picture. */
export type Picture = ImageBitmap | VideoFrame;

/**
 * Cuts the largest square from the centre and scales it to the canvas; `service/decode.py` does the same to the
 * photos of training. What is transparent lies on white. In a worker this costs the page nothing; beside the screen,
 * scaling a camera's frame takes longer than all else that the page does for it.
 */
export function drawSquare(context: OffscreenCanvasRenderingContext2D, picture: Picture): void {
  const [width, height] =
    "displayWidth" in picture ? [picture.displayWidth, picture.displayHeight] : [picture.width, picture.height];
  const side = Math.min(width, height);
  const size = context.canvas.width;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, size, size);
  context.drawImage(picture, (width - side) >> 1, (height - side) >> 1, side, side, 0, 0, size, size);
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
