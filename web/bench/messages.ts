/** What the page of the benchmark and its TensorFlow.js worker say to each other. */

import type { Style } from "./network";

export interface Setup {
  style: Style;
  threads: number;
  size: number;
  classes: number;
}

export type ToPeer = { setup: Setup } | { bitmap: ImageBitmap };

export type FromPeer =
  | { ready: { macs: number; threads: number; simd: boolean } }
  | { probabilities: Float32Array }
  | { error: string };
