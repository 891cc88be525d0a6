/** TensorFlow.js on WebAssembly, in a worker as ours is, with pixels read in the same way. */

import { getThreadsCount, setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import plain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import threaded from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import * as tf from "@tensorflow/tfjs-core";
import { Pixels } from "../src/inference/device-pixels";
import type { FromPeer, Setup, ToPeer } from "./messages";
import { lite0, type Network, type Style } from "./network";

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToPeer>) => void;
  postMessage: (message: FromPeer, transfer?: Transferable[]) => void;
};
let network: Network;
let pixels: Pixels;

scope.onmessage = async ({ data }) => {
  try {
    if ("setup" in data) {
      if ("style" in data.setup) scope.postMessage({ ready: await setUp(data.setup) });
      return;
    }
    pixels.read(data.bitmap);
    const probabilities = await network.run(pixels.rgb);
    scope.postMessage({ probabilities });
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};

async function setUp({
  style,
  threads,
  size,
  classes,
}: Extract<Setup, { style: Style }>): Promise<{ macs: number; threads: number; simd: boolean }> {
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
  pixels = new Pixels(size);
  network = lite0(size, classes, style);
  return {
    macs: network.macs,
    threads: threads > 1 ? getThreadsCount() : 1,
    simd: (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) as boolean,
  };
}
