/** Runs the network beside the main thread: the runtime, the model, its golden frames, then frame after frame. */

import { expose } from "comlink";
import { env, InferenceSession, Tensor } from "onnxruntime-web";
import wasmUrl from "onnxruntime-web/ort-wasm-simd.wasm?url";
import { Problem } from "../../shared/problem";
import type { Picture } from "../../shared/square";
import { type Asset, download, load, missing } from "./files";
import { difference, type Golden } from "./golden";
import { Pixels } from "./pixels";
import { RUNTIME_BYTES, RUNTIME_SENT_BYTES } from "./runtime";

const REPORT_MS = 100; // between two words about progress
const ERRORS = 3; // what the runtime logs; it would warn of operators that XNNPACK leaves to its other kernels
const BEGIN_MS = 60_000; // for compiling; a slow phone takes some seconds
const OUTPUTS = ["probabilities", "id_score"];

/** Bytes that have come, and bytes in all. */
export type Progress = (done: number, total: number) => void;

export interface Start {
  model: Asset;
  golden: readonly (Asset & Golden)[];
  /** largest difference that a probability or `id_score` may have */
  tolerance: number;
  /** px, side of a frame */
  size: number;
  /** API key, or "" */
  key: string;
}

export interface Seen {
  /** [labels] */
  probabilities: Float32Array;
  /** 0..1: none of the labels where it is below the threshold */
  id_score: number;
  /** of every label, as `Evidence` has them: [labels, height, width]; null where it was not asked for or there is none */
  evidence: { values: Float32Array; height: number; width: number } | null;
  /** ms: reading the pixels, and the network */
  decode: number;
  inference: number;
}

class Model {
  private readonly session: InferenceSession;
  private readonly pixels: Pixels;
  private readonly input: Tensor;

  constructor(session: InferenceSession, size: number) {
    this.session = session;
    this.pixels = new Pixels(size);
    this.input = new Tensor("uint8", this.pixels.rgb, [1, size, size, 3]);
  }

  /** Closes the picture. Evidence is part of the network in any case; it is copied out of the runtime on request. */
  async look(picture: Picture, explain: boolean): Promise<Seen> {
    const { session } = this;
    const begun = performance.now();
    this.pixels.read(picture);
    const read = performance.now();
    const wanted = session.outputNames.filter((name) => OUTPUTS.includes(name) || (explain && name === "evidence"));
    const found = await session.run({ [session.inputNames[0] as string]: this.input }, wanted);
    const inference = performance.now() - read;
    const [probabilities, id_score] = OUTPUTS.map((name) => found[name]?.data);
    if (!(probabilities instanceof Float32Array && id_score instanceof Float32Array)) {
      throw new Problem("device-failed", "the model gives no probabilities and id_score");
    }
    const [, , height, width] = found["evidence"]?.dims ?? []; // [1, labels, height, width]
    const values = found["evidence"]?.data;
    const evidence = values instanceof Float32Array && height && width ? { values, height, width } : null;
    return { probabilities, id_score: id_score[0] as number, evidence, decode: read - begun, inference };
  }
}

let model: Model;
const api = {
  /** Rejects with a Problem where a file does not arrive whole, or the pipeline got other numbers. */
  async start({ model: network, golden, tolerance, size, key }: Start, progress: Progress): Promise<void> {
    const assets = [network, ...golden];
    const wanted = await Promise.all(assets.map(missing));
    const arrived = adding(
      wanted.reduce((sum, bytes) => sum + bytes, RUNTIME_SENT_BYTES),
      progress,
    );
    const scale = RUNTIME_SENT_BYTES / RUNTIME_BYTES; // what arrives of the runtime is decompressed
    const [wasm, weights, ...pictures] = await Promise.all([
      download(wasmUrl, {}, (bytes) => arrived(bytes * scale)),
      ...assets.map((each) => load(each, key, arrived)),
    ]);
    model = new Model(await open(wasm, weights as Uint8Array), size);
    for (const [index, frame] of golden.entries()) {
      const { probabilities, id_score } = await model.look(await pixelsOf(pictures[index] as BlobPart), false);
      const off = difference(frame, probabilities, id_score);
      if (!(off <= tolerance)) {
        throw new Problem("device-golden", `${frame.url}: off by ${off.toPrecision(3)}, and ${tolerance} is allowed`);
      }
    }
  },

  look: (picture: Picture, explain: boolean): Promise<Seen> => model.look(picture, explain),
};

export type InferenceApi = typeof api;
expose(api);

/** The runtime takes addresses only, and shows no progress while it downloads. */
async function open(wasm: Uint8Array<ArrayBuffer>, weights: Uint8Array): Promise<InferenceSession> {
  const url = URL.createObjectURL(new Blob([wasm], { type: "application/wasm" }));
  Object.assign(env.wasm, { wasmPaths: { "ort-wasm-simd.wasm": url }, numThreads: 1, initTimeout: BEGIN_MS });
  try {
    return await InferenceSession.create(weights, { executionProviders: ["xnnpack"], logSeverityLevel: ERRORS });
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The bytes of a picture as they are. */
function pixelsOf(picture: BlobPart): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([picture]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/** Adds up what arrives, and says so now and then. */
function adding(total: number, progress: Progress): (bytes: number) => void {
  let done = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    done = Math.min(total, done + bytes);
    const now = performance.now();
    if (now - saidAt < REPORT_MS && done < total) return;
    saidAt = now;
    progress(done, total);
  };
}
