/** Runs the network beside the main thread: the runtime, the model, its golden frames, then frame after frame. */

import { env, InferenceSession, Tensor } from "onnxruntime-web";
import wasmUrl from "onnxruntime-web/ort-wasm-simd.wasm?url";
import { Problem } from "../../shared/problem";
import type { Picture } from "../../shared/square";
import { download, load } from "./files";
import { difference } from "./golden";
import type { FromWorker, GoldenFrame, Seen, Start, ToWorker } from "./messages";
import { Pixels } from "./pixels";
import { RUNTIME_BYTES, RUNTIME_SENT_BYTES } from "./runtime";
import { problemOf } from "./runtime-error";

const REPORT_MS = 100; // between two words about progress
const ERRORS = 3; // what the runtime logs; it would warn of operators that XNNPACK leaves to its other kernels
const BEGIN_MS = 60_000; // for compiling; a slow phone takes some seconds

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage: (message: FromWorker, transfer?: Transferable[]) => void;
};
let model: Model | null = null;

class Model {
  private readonly session: InferenceSession;
  private readonly pixels: Pixels;
  private readonly input: Tensor;

  constructor(session: InferenceSession, size: number) {
    this.session = session;
    this.pixels = new Pixels(size);
    this.input = new Tensor("uint8", this.pixels.rgb, [1, size, size, 3]);
  }

  /** Closes the picture. */
  async look(picture: Picture): Promise<Seen> {
    const begun = performance.now();
    this.pixels.read(picture);
    const read = performance.now();
    const found = await this.session.run({ [this.session.inputNames[0] as string]: this.input });
    const inference = performance.now() - read;
    const [probabilities, id_score] = ["probabilities", "id_score"].map((name) => found[name]?.data);
    if (!(probabilities instanceof Float32Array && id_score instanceof Float32Array)) {
      throw new Problem("device-failed", "the model gives no probabilities and id_score");
    }
    const evidence = evidenceOf(found["evidence"]);
    return { kind: "seen", probabilities, id_score: id_score[0] as number, evidence, decode: read - begun, inference };
  }
}

scope.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") {
      model = await start(data);
      scope.postMessage({ kind: "ready" });
    } else if (model) {
      const seen = await model.look(data.picture);
      scope.postMessage(seen);
    } else data.picture.close();
  } catch (error) {
    const { code, message } = problemOf(error);
    scope.postMessage({ kind: "problem", code, detail: message });
  }
};

async function start({ model, golden, tolerance, size, key }: Start): Promise<Model> {
  const assets = [model, ...golden];
  const arrived = progress(RUNTIME_SENT_BYTES + assets.reduce((sum, { bytes }) => sum + bytes, 0));
  const runtime = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const scale = RUNTIME_SENT_BYTES / RUNTIME_BYTES; // what arrives here is decompressed
    return download(wasmUrl, {}, RUNTIME_BYTES, (bytes) => arrived(bytes * scale));
  };
  const [wasm, weights, ...pictures] = await Promise.all([
    runtime(),
    ...assets.map((each) => load(each, key, arrived)),
  ]);
  const made = new Model(await open(wasm, weights as Uint8Array), size);
  for (const [index, frame] of golden.entries()) await reproduce(made, frame, pictures[index] as BlobPart, tolerance);
  return made;
}

/** [1, labels, height, width]; null of a model that was made before there was any. */
function evidenceOf(found: Tensor | undefined): Seen["evidence"] {
  const [, , height, width] = found?.dims ?? [];
  return found?.data instanceof Float32Array && height && width ? { values: found.data, height, width } : null;
}

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

/** Rejects with a Problem where the pipeline got other numbers for the picture. */
async function reproduce(made: Model, golden: GoldenFrame, picture: BlobPart, tolerance: number): Promise<void> {
  const bitmap = await createImageBitmap(new Blob([picture]), {
    colorSpaceConversion: "none", // the bytes as they are
    premultiplyAlpha: "none",
  });
  const { probabilities, id_score } = await made.look(bitmap);
  const off = difference(golden, probabilities, id_score);
  if (!(off <= tolerance)) {
    throw new Problem("device-golden", `${golden.url}: off by ${off.toPrecision(3)}, and ${tolerance} is allowed`);
  }
}

/** Adds up what arrives, and says so now and then. */
function progress(total: number): (bytes: number) => void {
  let done = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    done = Math.min(total, done + bytes);
    const now = performance.now();
    if (now - saidAt < REPORT_MS && done < total) return;
    saidAt = now;
    scope.postMessage({ kind: "progress", done, total });
  };
}
