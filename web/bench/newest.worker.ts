/** The newest onnxruntime-web with its own kernels and threads, in a worker as ours is, with the same model. */

import mjsUrl from "onnxruntime-web-newest/ort-wasm-simd-threaded.mjs?url";
import wasmUrl from "onnxruntime-web-newest/ort-wasm-simd-threaded.wasm?url";
import { env, InferenceSession, Tensor } from "onnxruntime-web-newest/wasm";
import type { Setup } from "./messages";
import { serve } from "./serve";

serve(async ({ model, threads, size }: Extract<Setup, { model: string }>) => {
  Object.assign(env.wasm, { wasmPaths: { mjs: mjsUrl, wasm: wasmUrl }, numThreads: threads });
  const session = await InferenceSession.create(model, { executionProviders: ["wasm"] });
  return {
    ready: { threads },
    run: async (rgb) => {
      const { probabilities } = await session.run({ image: new Tensor("uint8", rgb, [1, size, size, 3]) });
      return probabilities?.data as Float32Array;
    },
  };
});
