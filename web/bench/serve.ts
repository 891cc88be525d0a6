/** The worker's side of the benchmark: set up once, then frame after frame; pixels are read as ours reads them. */

import { Pixels } from "../src/inference/local/pixels";
import type { FromPeer, Setup, ToPeer } from "./messages";

type Ready = Extract<FromPeer, { ready: object }>["ready"];

export interface Loaded {
  ready: Ready;
  /** [size, size, 3], 0..255, to [classes] that sum to 1 */
  run(rgb: Uint8Array): Promise<Float32Array>;
}

// Beside this file the compiler knows the window's global scope only.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToPeer>) => void;
  postMessage: (message: FromPeer) => void;
};

/** Answers the page with what `setUp` gives; each worker is sent the setup that it is for. */
export function serve<Given extends Setup>(setUp: (given: Given) => Promise<Loaded>): void {
  let network: Loaded;
  let pixels: Pixels;
  scope.onmessage = async ({ data }) => {
    try {
      if ("setup" in data) {
        network = await setUp(data.setup as Given);
        pixels = new Pixels(data.setup.size);
        scope.postMessage({ ready: network.ready });
        return;
      }
      pixels.read(data.bitmap);
      scope.postMessage({ probabilities: await network.run(pixels.rgb) });
    } catch (error) {
      scope.postMessage({ error: String(error) });
    }
  };
}
