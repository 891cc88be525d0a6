/** The part of a picture that the model sees. */

/** What can be drawn and sent to a worker: a frame of the camera as it is, or a picture. */
export type Picture = ImageBitmap | VideoFrame;

/**
 * Cuts the largest square from the centre and scales it to the canvas; `service/decode.py` does the same to the
 * photos of training. What is transparent lies on white. In a worker this costs the page nothing; beside the screen,
 * scaling a camera's frame takes longer than all else that the page does for it.
 */
export function drawSquare(
  context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D,
  picture: Picture,
): void {
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
