/** What both ways of getting an answer have in common. */

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

export interface Answer {
  /** null: none of these */
  label: string | null;
  /** [labels], in their order; they sum to 1 */
  probabilities: Float32Array;
  labels: readonly string[];
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

/** Bytes that have come, and bytes in all. */
export type Progress = (done: number, total: number) => void;

export interface Inference {
  readonly kind: "server" | "device";
  /** Resolves once it can answer (device: model fetched, golden frames reproduced). Rejects with a Problem. */
  start(signal: AbortSignal, progress?: Progress): Promise<void>;
  /** Frames that may be under way at once; the caller drops others. */
  readonly atOnce: number;
  /** Rejects with a Problem. */
  identify(frame: Frame): Promise<Answer>;
  /** Ends its worker or socket; a pending identify rejects with a Problem of code "closed". */
  close(): void;
}
