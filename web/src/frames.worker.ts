/** Cuts, scales and encodes pictures beside the main thread: a video frame's colours take it several ms. */

import type { FromFrames, ToFrames } from "./frames";

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToFrames>) => void;
  postMessage: (message: FromFrames, transfer?: Transferable[]) => void;
};
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

scope.onmessage = async ({ data: { id, picture, size, quality } }) => {
  try {
    if (!context) throw new Error("no canvas");
    draw(context, picture, size);
    // Encoded first: taking the bitmap empties the canvas.
    const blob = quality === null ? null : await canvas.convertToBlob({ type: "image/jpeg", quality });
    const bitmap = canvas.transferToImageBitmap();
    const jpeg = blob && (await blob.arrayBuffer());
    scope.postMessage({ id, bitmap, jpeg }, jpeg ? [bitmap, jpeg] : [bitmap]);
  } catch (error) {
    scope.postMessage({ id, error: String(error) });
  } finally {
    picture.close();
  }
};

/** The largest square of the centre, as `service/decode.py` cuts it. */
function draw(target: OffscreenCanvasRenderingContext2D, picture: VideoFrame | ImageBitmap, size: number): void {
  const width = "displayWidth" in picture ? picture.displayWidth : picture.width;
  const height = "displayHeight" in picture ? picture.displayHeight : picture.height;
  const side = Math.min(width, height);
  if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
  target.imageSmoothingEnabled = true;
  target.imageSmoothingQuality = "high";
  target.fillStyle = "#fff"; // what lies behind transparent pixels, in training too
  target.fillRect(0, 0, size, size);
  target.drawImage(picture, (width - side) >> 1, (height - side) >> 1, side, side, 0, 0, size, size);
}
