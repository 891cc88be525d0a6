/** What the page of the benchmark and the workers of others say to each other. */

import type { Style } from "./network";

/** Of TensorFlow.js, which builds the network, or of a runtime that loads it. */
export type Setup = { threads: number; size: number } & ({ style: Style; classes: number } | { model: string });

export type ToPeer = { setup: Setup } | { bitmap: ImageBitmap };

export type FromPeer =
  | { ready: { threads: number; macs?: number; simd?: boolean } }
  | { probabilities: Float32Array }
  | { error: string };
