/** What the page and its inference worker say to each other. */

import type { Code } from "../../shared/problem";
import type { Picture } from "../../shared/square";

/** A file of the bundle: from where, and what it must be. */
export interface Asset {
  url: string;
  /** hex */
  sha256: string;
  bytes: number;
}

/** What the pipeline got for a picture. */
export interface GoldenFrame extends Asset {
  /** [labels] */
  probabilities: readonly number[];
  id_score: number;
}

export interface Start {
  kind: "start";
  model: Asset;
  golden: readonly GoldenFrame[];
  /** largest difference that a probability or `id_score` may have */
  tolerance: number;
  /** px, side of a frame */
  size: number;
  /** API key, or "" */
  key: string;
}

export interface Look {
  kind: "look";
  /** changes hands with the message; the worker cuts the square from it and closes it */
  picture: Picture;
}

export type ToWorker = Start | Look;

export interface Seen {
  kind: "seen";
  /** [labels] */
  probabilities: Float32Array;
  /** 0..1: none of the labels where it is below the threshold */
  id_score: number;
  /** of every label, as `Evidence` has them: [labels, height, width]; null where the model has none */
  evidence: { values: Float32Array; height: number; width: number } | null;
  /** ms: reading the pixels, and the network */
  decode: number;
  inference: number;
}

export type FromWorker =
  | { kind: "progress"; done: number; total: number }
  | { kind: "ready" }
  | Seen
  | { kind: "problem"; code: Code; detail: string };
