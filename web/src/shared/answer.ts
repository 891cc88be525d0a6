/** A frame that is asked about, and the answer to it, wherever that comes from. */

/**
 * Milliseconds, each >= 0; the parts add up to `total`, and what is not accounted for is in `network`.
 * `capture` is cropping, resizing and encoding.
 */
export interface Timing {
  capture: number;
  network: number;
  queue: number;
  decode: number;
  inference: number;
  total: number;
}

/**
 * Where in the frame a label was seen: its class activation map (Zhou et al. 2016), in logits. The mean of the values
 * plus the label's bias is its logit.
 */
export interface Evidence {
  label: string;
  height: number;
  width: number;
  /** [height, width], by rows */
  values: ArrayLike<number>;
}

export interface Answer {
  /** null: none of these */
  label: string | null;
  /** [labels], in their order; they sum to 1 */
  probabilities: Float32Array;
  labels: readonly string[];
  /** how much the frame looks like something that the model was trained on, 0..1 */
  score: number;
  /** the score below which the answer is none of these */
  threshold: number;
  /** of `label`; null where nobody asked for it, and for none of these */
  evidence: Evidence | null;
  /** version of the model */
  model: string;
  timing: Timing;
  /** frames dropped since the last answer */
  dropped: number;
}

/** A square of the camera's picture, `size` x `size`, cropped at the centre, never mirrored. Its receiver closes it. */
export interface Frame {
  bitmap: ImageBitmap;
  /** the same as JPEG, where the service is to see it */
  jpeg?: ArrayBuffer | null;
  /** ms spent on cropping, resizing and encoding */
  capture: number;
  /** performance.now() when the camera delivered it */
  at: number;
}

/** A second one of the same frame. */
export async function copy(frame: Frame): Promise<Frame> {
  return { ...frame, bitmap: await createImageBitmap(frame.bitmap) };
}
