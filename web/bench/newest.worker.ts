/** The newest onnxruntime-web with its own kernels and threads, in a worker as ours is, with the same model. */

import mjsUrl from "onnxruntime-web-newest/ort-wasm-simd-threaded.mjs?url";
import wasmUrl from "onnxruntime-web-newest/ort-wasm-simd-threaded.wasm?url";
import { env, InferenceSession, Tensor } from "onnxruntime-web-newest/wasm";
import { Pixels } from "../src/inference/device-pixels";
import type { FromPeer, Setup, ToPeer } from "./messages";

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToPeer>) => void;
  postMessage: (message: FromPeer) => void;
};
let session: InferenceSession;
let pixels: Pixels;

scope.onmessage = async ({ data }) => {
  try {
    if ("setup" in data) {
      if ("model" in data.setup) await setUp(data.setup);
      scope.postMessage({ ready: { threads: data.setup.threads } });
      return;
    }
    pixels.read(data.bitmap);
    const image = new Tensor("uint8", pixels.rgb, [1, pixels.size, pixels.size, 3]);
    const { probabilities } = await session.run({ image });
    scope.postMessage({ probabilities: probabilities?.data as Float32Array });
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};

async function setUp({ model, threads, size }: Extract<Setup, { model: string }>): Promise<void> {
  Object.assign(env.wasm, { wasmPaths: { mjs: mjsUrl, wasm: wasmUrl }, numThreads: threads });
  session = await InferenceSession.create(model, { executionProviders: ["wasm"] });
  pixels = new Pixels(size);
}
