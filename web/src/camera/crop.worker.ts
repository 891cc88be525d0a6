/** Cuts, scales and encodes pictures beside the main thread: a video frame's colours take it several ms. */

import { expose, transfer } from "comlink";
import { drawSquare, type Picture } from "../shared/square";
import type { Cropped } from "./cropper";

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

/** Closes the picture. @param size px @param quality of the JPEG, 0..1; null where none is needed */
async function crop(picture: Picture, size: number, quality: number | null): Promise<Cropped> {
  try {
    if (!context) throw new Error("no memory for a canvas");
    if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
    drawSquare(context, picture);
    // Encoded first: taking the bitmap empties the canvas.
    const blob = quality === null ? null : await canvas.convertToBlob({ type: "image/jpeg", quality });
    const bitmap = canvas.transferToImageBitmap();
    const jpeg = blob && (await blob.arrayBuffer());
    return transfer({ bitmap, jpeg }, jpeg ? [bitmap, jpeg] : [bitmap]);
  } finally {
    picture.close();
  }
}

export type Crop = typeof crop;
expose(crop);
