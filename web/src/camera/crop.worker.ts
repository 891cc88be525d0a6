/** Cuts, scales and encodes pictures beside the main thread: a video frame's colours take it several ms. */

import { drawSquare } from "../shared/square";
import type { FromCrop, ToCrop } from "./cropper";

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToCrop>) => void;
  postMessage: (message: FromCrop, transfer?: Transferable[]) => void;
};
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

scope.onmessage = async ({ data: { id, picture, size, quality } }) => {
  try {
    if (!context) throw new Error("no memory for a canvas");
    if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
    drawSquare(context, picture);
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
