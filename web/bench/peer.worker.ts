/** TensorFlow.js on WebAssembly, in a worker as ours is, with pixels read in the same way. */

import { getThreadsCount, setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import plain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import threaded from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import * as tf from "@tensorflow/tfjs-core";
import type { Setup } from "./messages";
import { lite0, type Style } from "./network";
import { serve } from "./serve";

serve(async ({ style, threads, size, classes }: Extract<Setup, { style: Style }>) => {
  setWasmPaths({
    "tfjs-backend-wasm.wasm": plain,
    "tfjs-backend-wasm-simd.wasm": simd,
    "tfjs-backend-wasm-threaded-simd.wasm": threaded,
  });
  if (threads > 1) {
    // It takes no more than half of the cores; told of twice as many, it takes what it is given.
    Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads });
    setThreadsCount(threads);
  } else tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend("wasm");
  const network = lite0(size, classes, style);
  return {
    ready: {
      macs: network.macs,
      threads: threads > 1 ? getThreadsCount() : 1,
      simd: (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) as boolean,
    },
    run: (rgb) => network.run(rgb),
  };
});
